import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { makeWithParents } from '../util/make-with-parents.ts';

const THROUGH = constants.O_RDONLY | constants.O_DIRECTORY;

/**
 * Does something in a directory below another one, and goes there by descriptors: whatever becomes a link meanwhile, none is
 * followed. The upper one itself may be a link: an administrator named it.
 * @param below relative, `.` for the upper one itself. @param make makes what is missing (0755).
 * @param use gets a path that leads there for as long as it runs. @throws what the system says, also ELOOP or ENOTDIR for a link.
 */
export function inDirectory<T>(directory: string, below: string, make: boolean, use: (path: string) => T): T {
  const opened: number[] = [];
  try {
    if (make) makeWithParents(directory);
    opened.push(openSync(directory, THROUGH));
    for (const part of below.split('/').filter((name) => name !== '.')) {
      const path = join(through(opened), part);
      if (make) makeDirectory(path);
      opened.push(openSync(path, THROUGH | constants.O_NOFOLLOW));
    }
    return use(through(opened));
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** Node has no openat(2). */
function through(opened: readonly number[]): string {
  return `/proc/self/fd/${opened.at(-1)}`;
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
