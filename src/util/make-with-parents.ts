import { existsSync, mkdirSync } from 'node:fs';
import { lstat, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and what is missing above it, 0755 less the umask. Of a read-only file system Node's recursive mkdir says ENOENT, and
 * the error that an administrator would understand is lost; below /proc it tries for ever.
 * @returns whether it was made; false also where something else is there. @throws what mkdir(2) says.
 */
export function makeWithParents(path: string): boolean {
  // The usual case at a start, where an error with its stack would cost more than the call.
  if (existsSync(path)) return false;
  for (const parentsMade of [false, true]) {
    try {
      mkdirSync(path, { mode: 0o755 });
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      if (code !== 'ENOENT' || parentsMade) throw error;
      makeWithParents(dirname(path));
    }
  }
  return false;
}

/** The same without keeping the main thread, which a disk that hangs would. */
export async function makeWithParentsAside(path: string): Promise<boolean> {
  if ((await lstat(path).catch(() => undefined)) !== undefined) return false;
  for (const parentsMade of [false, true]) {
    try {
      await mkdir(path, { mode: 0o755 });
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      if (code !== 'ENOENT' || parentsMade) throw error;
      await makeWithParentsAside(dirname(path));
    }
  }
  return false;
}
