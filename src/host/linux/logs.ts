import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import type { LogDirectory, LogFile, LogHost } from '../log-host.ts';
import { addon } from './addon.ts';
import { openRootDirectory } from './directories.ts';
import { loopTurn } from './loop-turn.ts';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants;

const framed = new Float64Array(2);

/** Logs on Linux: directories behind descriptors, unix datagrams through the addon. */
export const logs: LogHost = {
  directory: openLogDirectory,
  directoryBehind,
  frame(input, output, at, head, longest, last) {
    addon().frameLines(input, output, at, head.bytes, head.mark, longest, last, framed);
    return { consumed: framed[0]!, written: framed[1]! };
  },
  socket(path) {
    const fd = addon().connectDatagram(path);
    let sending = 0;
    let closed = false;
    const closeIdle = () => {
      if (closed && sending === 0) closeSync(fd);
    };
    return {
      send: (envelope, lines) =>
        new Promise((resolve) => {
          sending++;
          addon().sendLines(fd, envelope, lines, (done, errno) => {
            sending--;
            closeIdle();
            resolve({ done, error: errno === 0 ? undefined : getSystemErrorName(-errno) });
          });
        }),
      close() {
        // The number must not become another file's while a thread sends by it.
        if (closed) return;
        closed = true;
        closeIdle();
      },
    };
  },
  sockets: { journal: '/run/systemd/journal/socket', syslog: '/dev/log' },
};

/** Those opened in this turn of the event loop, by path: the daemons of an app that start together need not look at each as well. */
const opened = new Map<string, number>();

function remember(path: string, fd: number): void {
  if (opened.size === 0) setImmediate(() => opened.clear());
  opened.set(path, fd);
}

function openLogDirectory(paths: Paths, app: string, make: boolean): LogDirectory | undefined {
  const path = `${paths.log}/${app}`;
  try {
    const known = make ? opened.get(path) : undefined;
    if (known !== undefined) return directoryBehind(openAgain(known), path);
    const parent = openParent(paths.log, make);
    if (parent === undefined) return undefined;
    try {
      const fd = openInside(parent, app, make);
      if (fd !== undefined && make) remember(path, fd);
      return fd === undefined ? undefined : directoryBehind(fd, path);
    } finally {
      closeSync(parent);
    }
  } catch (error) {
    throw logError(error, 'open the log directory', path);
  }
}

function openParent(path: string, make: boolean): number | undefined {
  if (!make) return openOrNone(path);
  return orClosed(openRootDirectory(path, 0o750), (fd) => giveToAdm(fd, 0o750));
}

function openInside(parent: number, name: string, make: boolean): number | undefined {
  const path = `/proc/self/fd/${parent}/${name}`;
  if (!make) return openOrNone(path);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return orClosed(openOrNone(path)!, (fd) => {
    if (fstatSync(fd).uid !== process.geteuid?.()) throw Object.assign(new Error('owner'), { code: 'EPERM' });
    giveToAdm(fd, 0o750);
  });
}

/** A start that fails is tried again and again: it must not leave a descriptor each time. */
function orClosed(fd: number, act: (fd: number) => void): number {
  try {
    act(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openOrNone(path: string): number | undefined {
  try {
    return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function directoryBehind(directory: number, path: string): LogDirectory {
  // What the kernel finds there is this directory, whatever has become of its path.
  const inside = (name: string) => `/proc/self/fd/${directory}/${name}`;
  const told = <T>(step: string, name: string, act: () => T): T => {
    try {
      return act();
    } catch (error) {
      throw logError(error, step, `${path}/${name}`);
    }
  };
  const list = () => told('list the logs', '', () => readdirSync(`/proc/self/fd/${directory}`));
  return {
    path,
    fd: directory,
    open: (name) => told('open the log', name, () => openLog(inside(name))),
    create: (name) =>
      told('make a log', name, () => {
        rmSync(inside(name), { force: true });
        const fd = openSync(inside(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        made(fd);
        return fd;
      }),
    read: (name) =>
      told('read the log', name, () => {
        try {
          const fd = openSync(inside(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
          regular(fd);
          return fd;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
          throw error;
        }
      }),
    rename: (from, to) => told('rotate the log', from, () => renameSync(inside(from), inside(to))),
    remove: (name) => told('remove an old log', name, () => rmSync(inside(name), { force: true })),
    list,
    names: () => namesIn(path, list),
    again: () => told('open the log directory', '', () => directoryBehind(openAgain(directory), path)),
    close() {
      if (opened.get(path) === directory) opened.delete(path);
      closeSync(directory);
    },
  };
}

function openAgain(directory: number): number {
  return openSync(`/proc/self/fd/${directory}/.`, O_RDONLY | O_DIRECTORY);
}

/** What was in a directory when it was looked at last. */
let seen: { readonly path: string; readonly turn: number; readonly names: readonly string[] } | undefined;

/** As `list`, once for all that ask in this turn: with each look at what a hundred daemons log to, their number would be squared. */
function namesIn(path: string, list: () => readonly string[]): readonly string[] {
  const turn = loopTurn();
  if (seen?.path !== path || seen.turn !== turn) seen = { path, turn, names: list() };
  return seen.names;
}

function openLog(path: string): LogFile {
  const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  const { size, mtimeMs } = made(fd);
  const endsLine = size === 0 || (readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === 10);
  return { fd, size, modified: mtimeMs, endsLine };
}

const last = Buffer.alloc(1);

/** @returns what it was. */
function made(fd: number): Stats {
  const found = regular(fd);
  orClosed(fd, (one) => giveToAdm(one, 0o640, found));
  return found;
}

/** A FIFO or a device would make the supervisor wait, or worse. */
function regular(fd: number): Stats {
  const found = fstatSync(fd);
  if (found.isFile()) return found;
  closeSync(fd);
  throw Object.assign(new Error('no file'), { code: 'METACTL_NO_FILE' });
}

/** @param found what it is. */
function giveToAdm(fd: number, mode: number, found: Stats = fstatSync(fd)): void {
  const adm = process.geteuid?.() === 0 ? admGroup() : found.gid;
  const changesOwner = found.gid !== adm;
  if (changesOwner) fchownSync(fd, 0, adm);
  if (changesOwner || (found.mode & 0o7777) !== mode) fchmodSync(fd, mode);
}

let adm: number | undefined;

/** From /etc/group: the group of those who may read logs; root's where there is none. */
function admGroup(): number {
  if (adm === undefined) {
    let text = '';
    try {
      text = readFileSync('/etc/group', 'utf8');
    } catch {
      // No file, no such group.
    }
    adm = Number(/^adm:[^:]*:(\d+):/m.exec(text)?.[1] ?? 0);
  }
  return adm;
}

function logError(error: unknown, step: string, path: string): MetactlError {
  if (error instanceof MetactlError) return error;
  const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
  const forbidden = code === 'EACCES' && process.geteuid?.() !== 0;
  const what = code === 'METACTL_NO_FILE' ? 'it is no file' : code;
  return new MetactlError(`can't ${step} ${path}: ${what}`, {
    code,
    step,
    path,
    cause: error,
    ...(syscall === undefined ? {} : { syscall }),
    ...(errno === undefined ? {} : { errno: Math.abs(errno) }),
    hint: HINTS[code] ?? (forbidden ? 'run it as root, or as a member of the group adm' : 'look at what is there'),
    exitStatus: forbidden ? EXIT.needsRoot : EXIT.error,
  });
}

const HINTS: Readonly<Record<string, string>> = {
  ELOOP: 'a symlink is there; move it away',
  METACTL_NO_FILE: 'move it away',
  ENOTDIR: 'something else is there; move it away',
  EPERM: 'it must belong to root; look at it, then remove it',
  ENOSPC: 'no space is left there: make some',
  EROFS: 'the file system is read-only',
};
