import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { makeWithParents } from '../../../util/make-with-parents.ts';
import { addon } from '../addon.ts';

/** What cgroup code asks of the kernel; unit tests put a fake tree in its place. Paths are absolute. */
export interface CgroupKernel {
  /** Makes a directory with its parents (0755). @returns false where it was there already. */
  mkdir(path: string): boolean;
  /** @throws EBUSY while something is in it, ENOENT where it is gone */
  rmdir(path: string): void;
  /** Writes one value in one write(2); never makes a file. */
  write(path: string, value: string): void;
  /** Undefined where the file, or the cgroup behind it, is gone. */
  read(path: string): string | undefined;
  /** Close-on-exec: nothing that is executed inherits it. */
  /** The number that each of these files begins with, or has behind its first word; 0 where it is gone. @param files a NUL behind each. */
  readNumbers(files: string): number[];
  openForWriting(path: string): number;
  openDirectory(path: string): number;
  close(fd: number): void;
  /** Names of the directories in a directory; none where it is gone. */
  directories(path: string): string[];
  exists(path: string): boolean;
  /** Whether one of them does. */
  existsAny(paths: readonly string[]): boolean;
  /** Whether root made it: users may have delegated parts of the v2 tree with directories of any name. */
  isRoots(path: string): boolean;
  /** f_type of statfs(2), undefined where there is nothing. */
  fileSystem(path: string): number | undefined;
  /** Does nothing for so many ms. */
  pause(milliseconds: number): void;
}

/** The cgroup or its file went away meanwhile: ENODEV is what an open file of a removed cgroup answers. */
const GONE = new Set(['ENOENT', 'ENODEV', 'ENOTDIR']);

export function errnoOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

function orUndefined<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (GONE.has(errnoOf(error))) return undefined;
    throw error;
  }
}

let umask: number | undefined;

/** Whether directories made with 0755 lack some of it. metactl doesn't change its umask, so it is read once. */
export function umaskHides(): boolean {
  umask ??= Number.parseInt(/^Umask:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '777', 8);
  return (umask & 0o755) !== 0;
}

/** @returns whether it was made. @throws what mkdir(2) says, also EROFS. */
function makeAll(path: string): boolean {
  try {
    return mkdirSync(path, { recursive: true, mode: 0o755 }) !== undefined;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return makeWithParents(path);
  }
}

/** libuv adds O_CLOEXEC to every open(2). */
export const linuxKernel: CgroupKernel = {
  mkdir(path) {
    // One call, because every failed one costs as much as the directory: Node makes an error with a stack for it.
    if (!makeAll(path)) return false;
    // The app reads its own cgroup inside the sandbox, whatever umask metactl was started with.
    if (umaskHides()) chmodSync(path, 0o755);
    return true;
  },
  rmdir: (path) => rmdirSync(path),
  write(path, value) {
    const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      writeSync(fd, value);
    } finally {
      closeSync(fd);
    }
  },
  read: (path) => addon().readText(path) ?? undefined,
  readNumbers: (files) =>
    addon()
      .readNumbers(files)
      .map((number) => Math.max(number, 0)),
  openForWriting: (path) => openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW),
  openDirectory: (path) => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW),
  close: (fd) => closeSync(fd),
  directories(path) {
    // Links of a directory of kernfs: its own two, and one of each directory in it. Daemons seldom have any.
    if (lstatSync(path, { throwIfNoEntry: false })?.nlink === 2) return [];
    const entries = orUndefined(() => readdirSync(path, { withFileTypes: true })) ?? [];
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  },
  exists: (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined,
  // By one call, since nothing is there at nearly every start.
  existsAny: (paths) =>
    addon()
      .fileIds(paths)
      .some((byte) => byte !== 0),
  isRoots: (path) => orUndefined(() => lstatSync(path).uid) === 0,
  fileSystem: (path) => orUndefined(() => statfsSync(path).type),
  pause: (milliseconds) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
};
