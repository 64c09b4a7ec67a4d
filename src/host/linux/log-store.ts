import {
  close,
  closeSync,
  constants,
  fchmod,
  fchown,
  fstat,
  lstat,
  mkdir,
  open,
  read,
  readdir,
  rename,
  type Stats,
  unlink,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Paths } from '../../util/paths.ts';
import type { LogFile, LogStore } from '../log-host.ts';
import { openRootDirectoryAside } from './directories.ts';
import { logError } from './log-error.ts';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

const [openFile, closeFile, readFrom] = [promisify(open), promisify(close), promisify(read)];
const [statOf, statAt, chown, chmod] = [promisify(fstat), promisify(lstat), promisify(fchown), promisify(fchmod)];
const [move, remove, namesOf, makeDirectory] = [
  promisify(rename),
  promisify(unlink),
  promisify(readdir),
  promisify(mkdir),
];

/** See LogHost. */
export async function openStore(paths: Paths, app: string): Promise<LogStore> {
  const path = `${paths.log}/${app}`;
  try {
    return storeBehind(await openDirectory(paths, app), path);
  } catch (error) {
    throw logError(error, 'open the log directory', path);
  }
}

async function openDirectory(paths: Paths, app: string): Promise<number> {
  const parent = await orClosed(await openRootDirectoryAside(paths.log, 0o750), (fd) => giveToAdm(fd, 0o750));
  try {
    const inside = `/proc/self/fd/${parent}/${app}`;
    return await orClosed(await openOrMake(inside), async (fd) => {
      const found = await statOf(fd);
      if (found.uid !== process.geteuid?.()) throw Object.assign(new Error('owner'), { code: 'EPERM' });
      await giveToAdm(fd, 0o750, found);
    });
  } finally {
    closeSync(parent);
  }
}

/** Asked first: a disk that hangs lets nobody make what is there already. */
async function openOrMake(path: string): Promise<number> {
  const known = await openOrNone(path, O_DIRECTORY);
  if (known !== undefined) return known;
  try {
    await makeDirectory(path, 0o700);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  return openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/** A start that fails is tried again and again: it must not leave a descriptor each time. */
async function orClosed(fd: number, act: (fd: number) => Promise<void>): Promise<number> {
  try {
    await act(fd);
    return fd;
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}

async function openOrNone(path: string, flags: number): Promise<number | undefined> {
  try {
    return await openFile(path, O_RDONLY | O_NOFOLLOW | flags);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** See LogHost. */
export function storeBehind(directory: number, path: string): LogStore {
  // What the kernel finds there is this directory, whatever has become of its path.
  const inside = (name: string) => `/proc/self/fd/${directory}/${name}`;
  const told = async <T>(step: string, name: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      throw logError(error, step, `${path}/${name}`);
    }
  };
  const list = () => told('list the logs', '', () => namesOf(inside('')));
  return {
    path,
    fd: directory,
    open: (name) => told('open the log', name, () => openLog(inside(name))),
    create: (name) =>
      told('make a log', name, async () => {
        await removeFile(inside(name));
        const fd = await openFile(inside(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        await made(fd);
        return fd;
      }),
    read: (name) =>
      told('read the log', name, async () => {
        const fd = await openOrNone(inside(name), O_NONBLOCK);
        if (fd !== undefined) await regular(fd);
        return fd;
      }),
    holds: (name, fd) =>
      told('look at the log', name, async () => (await isAt(path, directory)) && (await isAt(inside(name), fd))),
    rename: (from, to) => told('rotate the log', from, () => move(inside(from), inside(to))),
    remove: (name) => told('remove an old log', name, () => removeFile(inside(name))),
    list,
    names: () => namesIn(path, list),
    again: () => told('open the log directory', '', async () => storeBehind(await openAgain(directory), path)),
    close: () => closeSync(directory),
  };
}

function openAgain(directory: number): Promise<number> {
  return openFile(`/proc/self/fd/${directory}/.`, O_RDONLY | O_DIRECTORY);
}

async function isAt(path: string, fd: number): Promise<boolean> {
  try {
    const [there, own] = [await statAt(path, { bigint: true }), await statOf(fd, { bigint: true })];
    return there.ino === own.ino && there.dev === own.dev;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await remove(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** How long what was in a directory is good enough for those that can do with it. ms */
const FRESH = 200;
let seen: { readonly path: string; readonly at: number; readonly names: Promise<readonly string[]> } | undefined;

/** As `list`, once for all that ask at about this time: with each look at what a hundred daemons log to, their number would be squared. */
function namesIn(path: string, list: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const at = performance.now();
  if (seen?.path !== path || at - seen.at > FRESH) seen = { path, at, names: list() };
  return seen.names;
}

async function openLog(path: string): Promise<LogFile> {
  const fd = await openFile(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  const { size, mtimeMs } = await made(fd);
  const last = Buffer.alloc(1);
  const endsLine = size === 0 || ((await readFrom(fd, last, 0, 1, size - 1)).bytesRead === 1 && last[0] === 10);
  return { fd, size, modified: mtimeMs, endsLine };
}

/** @returns what it was. */
async function made(fd: number): Promise<Stats> {
  const found = await regular(fd);
  await orClosed(fd, (one) => giveToAdm(one, 0o640, found));
  return found;
}

/** A FIFO or a device would make a thread wait, or worse. */
async function regular(fd: number): Promise<Stats> {
  const found = await statOf(fd);
  if (found.isFile()) return found;
  await closeFile(fd);
  throw Object.assign(new Error('no file'), { code: 'METACTL_NO_FILE' });
}

/** @param known what it is. */
async function giveToAdm(fd: number, mode: number, known?: Stats): Promise<void> {
  const found = known ?? (await statOf(fd));
  const group = process.geteuid?.() === 0 ? await admGroup() : found.gid;
  const changesOwner = found.gid !== group;
  if (changesOwner) await chown(fd, 0, group);
  if (changesOwner || (found.mode & 0o7777) !== mode) await chmod(fd, mode);
}

let adm: number | undefined;

/** From /etc/group: the group of those who may read logs; root's where there is none. */
async function admGroup(): Promise<number> {
  // No file, no such group.
  adm ??= Number(/^adm:[^:]*:(\d+):/m.exec(await readFile('/etc/group', 'utf8').catch(() => ''))?.[1] ?? 0);
  return adm;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
