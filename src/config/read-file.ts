import { isUtf8 } from 'node:buffer';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { EXIT, MetactlError } from '../util/error.ts';
import { notUtf8, type Text } from './messages.ts';

/** No configuration file is longer; a longer one is a mistake or an attack. */
export const LONGEST_FILE = 1024 * 1024;
/** A value: one environment string may be 128 KiB (MAX_ARG_STRLEN of execve(2)). */
export const LONGEST_SECRET = 64 * 1024;

/** What a read gave: the text, nothing because the file isn't there, or what is wrong with it. */
export type FileRead =
  | { readonly text: string }
  | { readonly absent: true }
  | { readonly problem: Text; readonly line: number };

/**
 * Reads a configuration file: a regular file, not through a symbolic link, at most 1 MiB of UTF-8. Never blocks on a
 * FIFO or device. The directories above are the caller's choice and are followed.
 * @param written by administrators (`trusted`: must belong to root or to the user who runs metactl, and be writable by
 * no one else) or by developers (must have a single name).
 * @throws MetactlError METACTL_NEEDS_ROOT (77) where the file may not be read and metactl does not run as root.
 */
export function readConfigFile(file: string, trusted: boolean): FileRead {
  const before = lstat(file);
  if (before === undefined) return { absent: true };
  const kind = kindProblem(before);
  if (kind !== undefined) return { problem: kind, line: 0 };
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return openFailed(error, file);
  }
  try {
    const stat = fstatSync(fd);
    const problem = kindProblem(stat) ?? (trusted ? ownerProblem(stat, ownUids()) : linkProblem(stat));
    if (problem !== undefined) return { problem, line: 0 };
    const bytes = readAtMost(fd, LONGEST_FILE);
    if (bytes === undefined) {
      return { problem: { message: `found more than ${LONGEST_FILE} bytes, expected a configuration file` }, line: 0 };
    }
    return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { problem: notUtf8(), line: badLine(bytes) };
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads what `%(file:/path)` names: a regular file of root that nobody else can write, below directories of root that
 * nobody else can write (sticky ones excepted), no symbolic link anywhere on the way. One line feed at the end is cut.
 * With such directories no one but root can exchange a component between the look and the open.
 * @param uids who counts as root: 0 and, where metactl runs as somebody else, that user.
 */
export function readSecretFile(path: string, uids: readonly number[] = ownUids()): { text: string } | { why: string } {
  if (!isAbsolute(path) || path.split('/').some((part) => part === '..' || part === '.')) {
    return { why: 'it is no absolute path without . and ..' };
  }
  const fds: number[] = [];
  try {
    for (const directory of parents(path)) {
      const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      fds.push(fd);
      const stat = fstatSync(fd);
      const sticky = (stat.mode & 0o1000) !== 0;
      if (!uids.includes(stat.uid)) return { why: `${directory} does not belong to root` };
      if ((stat.mode & 0o022) !== 0 && !sticky) return { why: `others than root can write in ${directory}` };
    }
    if (!lstatSync(path).isFile()) return { why: 'it is no regular file (symbolic links are not followed)' };
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    fds.push(fd);
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { why: 'it is no regular file (symbolic links are not followed)' };
    if (!uids.includes(stat.uid)) return { why: 'it does not belong to root' };
    if ((stat.mode & 0o022) !== 0) return { why: 'others than root can write it' };
    const bytes = readAtMost(fd, LONGEST_SECRET);
    if (bytes === undefined) return { why: `it is longer than ${LONGEST_SECRET} bytes` };
    if (!isUtf8(bytes) || bytes.includes(0)) return { why: 'it is no UTF-8 text' };
    return { text: bytes.toString('utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'an error';
    return {
      why:
        code === 'ELOOP' || code === 'ENOTDIR'
          ? 'a symbolic link or a file is on the way'
          : `it can't be read (${code})`,
    };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** Root, and whoever runs metactl (a developer trying things in a moved root). */
export function ownUids(): readonly number[] {
  return [0, process.geteuid?.() ?? 0];
}

/** `/`, `/a`, `/a/b` for `/a/b/c`. */
function parents(path: string): string[] {
  const result: string[] = [];
  for (let directory = dirname(join(path)); ; directory = dirname(directory)) {
    result.unshift(directory);
    if (directory === '/') return result;
  }
}

function lstat(file: string): Stats | undefined {
  try {
    return lstatSync(file, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw needsRoot(error, file);
  }
}

function kindProblem(stat: Stats): Text | undefined {
  if (stat.isSymbolicLink())
    return { message: 'found a symbolic link, expected a regular file', hint: 'put the file itself there' };
  return stat.isFile() ? undefined : { message: 'found something else, expected a regular file' };
}

function ownerProblem(stat: Stats, uids: readonly number[]): Text | undefined {
  if (!uids.includes(stat.uid)) {
    return { message: `found a file of uid ${stat.uid}, expected one of root`, hint: 'use chown root' };
  }
  if ((stat.mode & 0o022) === 0) return undefined;
  return {
    message: `found mode ${(stat.mode & 0o7777).toString(8).padStart(4, '0')}, expected a file that only its owner can write`,
    hint: 'use chmod 600',
  };
}

/** Whoever may write the directory may have linked a file there that only root can read: messages would show its text. */
function linkProblem(stat: Stats): Text | undefined {
  if (stat.nlink <= 1) return undefined;
  return {
    message: `found a file with ${stat.nlink} hard links, expected one with a single name`,
    hint: 'put a copy of the file there',
  };
}

function openFailed(error: unknown, file: string): FileRead {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return { absent: true };
  if (code === 'ELOOP') return { problem: { message: 'found a symbolic link, expected a regular file' }, line: 0 };
  throw needsRoot(error, file);
}

function needsRoot(error: unknown, file: string): MetactlError {
  const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
  const root = process.geteuid?.() === 0;
  return new MetactlError(`can't read ${file}: ${code}`, {
    code: root ? code : 'METACTL_NEEDS_ROOT',
    step: 'read configuration',
    path: file,
    hint: root ? 'look at the file system' : 'run metactl as root: the configuration may hold passwords',
    cause: error,
    exitStatus: root ? EXIT.error : EXIT.needsRoot,
    ...(errno === undefined ? {} : { errno }),
    ...(syscall === undefined ? {} : { syscall }),
  });
}

/** The whole file, or undefined where it is longer than `most` bytes. */
function readAtMost(fd: number, most: number): Buffer | undefined {
  const size = fstatSync(fd).size;
  if (size > most) return undefined;
  const buffer = Buffer.alloc(Math.min(size, most) + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) break;
    length += count;
  }
  // One byte more than it said: it grows while it is read. What is there now is good enough up to its old size.
  return buffer.subarray(0, Math.min(length, size));
}

function badLine(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; start <= bytes.length; line++) {
    const end = bytes.indexOf(10, start);
    if (!isUtf8(bytes.subarray(start, end < 0 ? bytes.length : end))) return line;
    if (end < 0) break;
    start = end + 1;
  }
  return line;
}
