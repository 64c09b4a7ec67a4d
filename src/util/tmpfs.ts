/** As mkfs.ext4 counts by default, more generously: empty files use kernel memory too, so their number is limited. */
const BYTES_PER_INODE = 4096;
const FEWEST_INODES = 1024;

/** How many files and directories a tmpfs of `size` bytes that an app may write has room for. Pure. */
export function tmpfsInodes(size: number): number {
  return Math.max(FEWEST_INODES, Math.ceil(size / BYTES_PER_INODE));
}
