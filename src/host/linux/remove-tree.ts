import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** Rounds after each of which something was there again: the work of somebody who goes on making it. */
const MOST_ROUNDS = 1000;

/**
 * Removes a directory and all that is in it, as root, although others may own what is in there and change it meanwhile: every
 * step goes through a descriptor and follows no link. A directory found in it is moved to the top before it is looked into, so
 * that no depth is too deep.
 * @param parent descriptor of a directory that only root writes. @returns false where there is no such name.
 * @throws Error with `code` of the system: EBUSY for what is mounted in there, ENOTEMPTY where it does not come to an end.
 */
export function removeTree(parent: number, name: string): boolean {
  const path = `/proc/self/fd/${parent}/${name}`;
  let top: number;
  try {
    top = openSync(path, FLAGS);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  try {
    requireSameMount(top, mountIdOf(parent));
    for (let rounds = 0; rounds < MOST_ROUNDS && !isEmptied(top); ) rounds++;
  } finally {
    closeSync(top);
  }
  rmdirSync(path);
  return true;
}

/** One round; true where nothing was left to be done. */
function isEmptied(top: number): boolean {
  const queue = namesIn(top);
  const empty = queue.length === 0;
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (!unlink(top, name)) queue.push(...removeDirectory(top, name));
  }
  return empty;
}

/** A directory at the top: its files go, its directories come up beside it. @returns their names there. */
function removeDirectory(top: number, name: Buffer): Buffer[] {
  const raised: Buffer[] = [];
  const fd = openSync(inside(top, name), FLAGS);
  try {
    requireSameMount(fd, mountIdOf(top));
    for (const child of namesIn(fd)) {
      if (unlink(fd, child)) continue;
      const place = Buffer.from(`.purge-${randomBytes(12).toString('hex')}`);
      renameSync(inside(fd, child), inside(top, place));
      raised.push(place);
    }
  } finally {
    closeSync(fd);
  }
  try {
    rmdirSync(inside(top, name));
  } catch (error) {
    // Something was put there just now; the next round finds it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
  return raised;
}

/** A mount of the same file system has the same device, but not the same id. @throws Error EBUSY */
function requireSameMount(fd: number, id: string): void {
  if (mountIdOf(fd) !== id) throw Object.assign(new Error('something is mounted there'), { code: 'EBUSY' });
}

/** `mnt_id` of proc_pid_fdinfo(5); before Linux 3.15 the device, which a bind mount of the same file system has too. */
function mountIdOf(fd: number): string {
  const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
  return id ?? `device ${fstatSync(fd).dev}`;
}

/** @returns false for a directory. */
function unlink(directory: number, name: Buffer): boolean {
  try {
    unlinkSync(inside(directory, name));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EISDIR') return false;
    if (code === 'ENOENT') return true;
    throw error;
  }
}

/** Names may be any bytes. */
function namesIn(fd: number): Buffer[] {
  return readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });
}

function inside(fd: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
}
