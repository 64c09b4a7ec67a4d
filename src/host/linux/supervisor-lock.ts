import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import type { SupervisorHold } from '../supervisor-host.ts';
import { addon } from './addon.ts';
import { bootId } from './boot-id.ts';
import { openRootDirectory } from './directories.ts';

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

const fileOf = (paths: Paths) => join(paths.run, 'control.lock');

/** See SupervisorHost. The file stays: a lock on a file that may be removed needs a lock for that. */
export function holdSupervisor(paths: Paths): SupervisorHold | undefined {
  closeSync(openRootDirectory(paths.run, 0o700));
  const fd = openSync(fileOf(paths), FLAGS, 0o600);
  if (!addon().flock(fd, 'exclusive')) {
    closeSync(fd);
    return undefined;
  }
  return holdBehind(fd);
}

/** The hold of the process that this one takes the place of. */
export function holdBehind(fd: number): SupervisorHold {
  // Under a moved root the file outlives the boot, which /run does not.
  ftruncateSync(fd);
  writeSync(fd, `${bootId()}\n`, 0);
  return { lock: { fd }, release: () => closeSync(fd) };
}

/** See SupervisorHost. */
export function wasSupervised(paths: Paths): boolean {
  try {
    const fd = openSync(fileOf(paths), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return readFileSync(fd, 'utf8').trim() === bootId();
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
