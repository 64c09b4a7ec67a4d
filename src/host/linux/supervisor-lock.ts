import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import type { SupervisorHold } from '../host.ts';
import { addon } from './addon.ts';
import { openRootDirectory } from './directories.ts';

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** See Host.holdSupervisor. The file stays: a lock on a file that may be removed needs a lock for that. */
export function holdSupervisor(paths: Paths): SupervisorHold | undefined {
  closeSync(openRootDirectory(paths.run, 0o700));
  const fd = openSync(join(paths.run, 'control.lock'), FLAGS, 0o600);
  if (!addon().flock(fd, 'exclusive')) {
    closeSync(fd);
    return undefined;
  }
  return holdBehind(fd);
}

/** The hold of the process that this one takes the place of. */
export function holdBehind(fd: number): SupervisorHold {
  return { lock: { fd }, release: () => closeSync(fd) };
}
