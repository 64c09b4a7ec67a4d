import { closeSync, constants, fchmodSync, fchownSync, lstatSync, mkdirSync, openSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import { tmpfsInodes } from '../../util/tmpfs.ts';
import { addon } from './addon.ts';
import { forgetMade, recordMade } from './record.ts';

/**
 * Mounts the app's shared temporary file system at `/run/metactl/<app>/tmp` unless it is there: `tmp` and `var-tmp` in it
 * become `/tmp` and `/var/tmp` of all its daemons. The directory above is root's and 0700, so nobody on the host gets in.
 * @param owner who is root inside.
 */
export function makeTemporary(paths: Paths, app: string, size: number, owner = 0): void {
  const directory = paths.runApp(app);
  const path = `${directory}/tmp`;
  if (isMounted(path, directory)) return;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  recordMade(paths, app, { kind: 'mount', path });
  addon().mountTmpfs(path, { size, inodes: tmpfsInodes(size), mode: 0o755 });
  for (const name of ['tmp', 'var-tmp']) {
    mkdirSync(join(path, name), { mode: 0o1777 });
    const fd = openSync(join(path, name), constants.O_DIRECTORY | constants.O_NOFOLLOW);
    // mkdir's mode is cut by the umask.
    if (owner !== 0) fchownSync(fd, owner, owner);
    fchmodSync(fd, 0o1777);
    closeSync(fd);
  }
}

/** Unmounts it, however often a killed predecessor had mounted over it. */
export function removeTemporary(paths: Paths, app: string): void {
  const path = join(paths.runApp(app), 'tmp');
  addon().unmount(path);
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  forgetMade(paths, app, { kind: 'mount', path });
}

/** A mount point is on another device than its parent; asking mountinfo would cost more with every app on the node. */
function isMounted(path: string, parent: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev !== lstatSync(parent).dev;
}
