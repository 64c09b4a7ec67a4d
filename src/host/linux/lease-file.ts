import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import { openRootDirectory } from './directories.ts';
import { lockFile } from './flock.ts';
import { type Leases, leaseError, readLeases } from './read-leases.ts';

/** A server that boots has all its apps take their leases at once, each with two fsyncs on a busy disk. ms */
const LONGEST_WAIT = 120_000;

/** Changes the leases under their lock: `change` gets the current ones and returns the new ones, or the same to keep them. */
export async function changeLeases(paths: Paths, change: (leases: Leases) => Promise<Leases>): Promise<void> {
  const directory = openRootDirectory(dirname(paths.leases), 0o755);
  let lock: number | undefined;
  try {
    const path = `${paths.leases}.lock`;
    lock = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    await lockFile(lock, path, { timeout: LONGEST_WAIT, users: 'takes addresses and user ids for an app' });
    const before = readLeases(paths);
    const after = await change(before);
    if (after !== before) write(paths.leases, after, directory);
  } catch (error) {
    throw leaseError(error, 'write the leases', paths.leases);
  } finally {
    closeSync(directory);
    if (lock !== undefined) closeSync(lock);
  }
}

/** Write, fsync, rename, fsync of the directory: after a power cut there is the old file or the new one. */
function write(path: string, leases: Leases, directory: number): void {
  const temporary = `${path}.new`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const fd = openSync(temporary, flags, 0o600);
  try {
    // All of it, or an error: a single write(2) of a disk that gets full ends in the midst without one.
    writeFileSync(fd, `${JSON.stringify(leases, null, 1)}\n`);
    fsyncSync(fd);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  fsyncSync(directory);
}
