import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstat,
  fstatSync,
  lstatSync,
  mkdirSync,
  open,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MetactlError } from '../../util/error.ts';
import { makeWithParents, makeWithParentsAside } from '../../util/make-with-parents.ts';
import type { Paths } from '../../util/paths.ts';
import { loopTurn } from './loop-turn.ts';

const [openFile, statOf] = [promisify(open), promisify(fstat)];

/**
 * Makes a directory that only root writes, with its parents (0755), and opens it without following a link.
 * @returns its descriptor. @throws MetactlError where it can't be made or is no directory of root's.
 */
export function openRootDirectory(path: string, mode: number): number {
  const step = `make ${path}`;
  try {
    if (makeWithParents(path)) chmodSync(path, mode);
    const fd = openSync(path, constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_RDONLY);
    if (fstatSync(fd).uid === process.geteuid?.()) return fd;
    closeSync(fd);
  } catch (error) {
    throw directoryError(error, step, path);
  }
  throw isUnsafe(step, path);
}

function isUnsafe(step: string, path: string): MetactlError {
  return new MetactlError(`${path} does not belong to root`, {
    code: 'METACTL_UNSAFE_DIRECTORY',
    step,
    path,
    hint: 'somebody else made it; look at it, then remove it',
  });
}

/** The same in threads of Node's pool, for a disk that may hang. */
export async function openRootDirectoryAside(path: string, mode: number): Promise<number> {
  const step = `make ${path}`;
  try {
    if (await makeWithParentsAside(path)) await chmod(path, mode);
    const fd = await openFile(path, constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_RDONLY);
    if ((await statOf(fd)).uid === process.geteuid?.()) return fd;
    closeSync(fd);
  } catch (error) {
    throw directoryError(error, step, path);
  }
  throw isUnsafe(step, path);
}

function directoryError(error: unknown, step: string, path: string): MetactlError {
  const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
  return new MetactlError(`can't ${step}: ${code}`, {
    code,
    step,
    path,
    ...(syscall === undefined ? {} : { syscall }),
    ...(errno === undefined ? {} : { errno: Math.abs(errno) }),
    cause: error,
    hint: code === 'EROFS' ? 'the file system is read-only' : 'look at the permissions and the space left there',
  });
}

/** `/run/metactl` and `/run/metactl/<app>`, 0700. */
export function makeRunDirectories(paths: Paths, app: string): void {
  closeSync(openRootDirectory(paths.run, 0o700));
  closeSync(openRootDirectory(paths.runApp(app), 0o700));
}

/** The state directory that was seen to be there last, and when. */
let made: { readonly path: string; readonly turn: number } | undefined;

/**
 * Makes the app's state directory and its `log`, owned by the app, unless they are there. The parent is root's; the new
 * directory is made root's too, handed over only when `log` is in it, and renamed into place last: the app can't swap what
 * root still works on, and a kill half-way leaves nothing that looks finished.
 */
export function makeStateDirectory(
  paths: Paths,
  app: string,
  owner: { readonly uid: number; readonly gid: number; readonly mode?: number },
): void {
  const path = paths.stateDirectory(app);
  const turn = loopTurn();
  // A hundred daemons that start together are about the same one.
  if (made?.path === path && made.turn === turn) return;
  const home = paths.appHome(app);
  closeSync(openRootDirectory(home, 0o755));
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if (existing?.isDirectory()) {
    made = { path, turn };
    return;
  }
  if (existing !== undefined) {
    throw new MetactlError(`${path} is no directory`, {
      code: 'ENOTDIR',
      step: 'make the state directory',
      path,
      hint: "it holds the app's data; look at it, then move it away",
    });
  }
  const unfinished = `${path}.new`;
  try {
    rmSync(unfinished, { recursive: true, force: true });
    const fds = [unfinished, join(unfinished, 'log')].map((directory) => {
      mkdirSync(directory, { mode: 0o700 });
      return openSync(directory, constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_RDONLY);
    });
    for (const fd of fds.reverse()) {
      fchownSync(fd, owner.uid, owner.gid);
      fchmodSync(fd, owner.mode ?? 0o750);
      closeSync(fd);
    }
    renameSync(unfinished, path);
  } catch (error) {
    throw directoryError(error, 'make the state directory', path);
  }
}
