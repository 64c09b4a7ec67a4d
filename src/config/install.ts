import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';

/** Writing of root's files: the administrators', and service managers'. All directories here are root's own. */

/**
 * Makes `/etc/metactl` 0755 with `site` and `nodes` 0700 (DESIGN §4); what is there stays as it is.
 * @throws MetactlError: METACTL_NEEDS_ROOT (77), or where something else has the name.
 */
export function makeConfigDirectories(paths: Paths): void {
  try {
    mkdirSync(dirname(paths.etc), { recursive: true });
  } catch (error) {
    throw writeError(dirname(paths.etc), error);
  }
  for (const [directory, mode] of [
    [paths.etc, 0o755],
    [paths.siteDirectory, 0o700],
    [paths.nodesDirectory, 0o700],
  ] as const) {
    makeDirectory(directory, mode);
  }
}

/** Makes one directory with exactly this mode, whatever the umask; an existing one is left as it is. */
export function makeDirectory(directory: string, mode: number): void {
  try {
    mkdirSync(directory, { mode: mode & 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw writeError(directory, error);
    if (lstatSync(directory).isDirectory()) return;
    throw new MetactlError(`${directory} is no directory`, {
      code: 'ENOTDIR',
      step: 'make directories',
      path: directory,
      hint: 'move what has this name away',
    });
  }
  withDescriptor(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW, 0, (fd) => {
    fchmodSync(fd, mode);
  });
}

/**
 * Writes a new file, mode 0600; never over one that is there, never through a link.
 * @throws MetactlError METACTL_EXISTS (1), METACTL_NEEDS_ROOT (77)
 */
export function createFile(file: string, text: string): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  let made = false;
  try {
    withDescriptor(file, flags, 0o600, (fd) => {
      made = true;
      fchmodSync(fd, 0o600);
      writeAll(fd, text);
      fsyncSync(fd);
    });
    syncDirectory(dirname(file));
  } catch (error) {
    if (made) rmSync(file, { force: true });
    throw writeError(file, error);
  }
}

/**
 * Replaces a file's text in one step: written beside it, synced, renamed over it. Mode and owner stay; a new file gets
 * 0600. A crash leaves the old text or the new one.
 * @param mode then it gets this one, and root's ownership, whatever it had. @param told its name in errors.
 * @throws MetactlError METACTL_NEEDS_ROOT (77), or what the system says.
 */
export function replaceFile(file: string, text: string, mode?: number, told = file): void {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    const before = lstatSync(file, { throwIfNoEntry: false });
    withDescriptor(temporary, flags, 0o600, (fd) => {
      writeAll(fd, text);
      if (mode === undefined && before !== undefined && before.uid !== process.geteuid?.())
        fchownSync(fd, before.uid, before.gid);
      fchmodSync(fd, mode ?? (before === undefined ? 0o600 : before.mode & 0o755));
      fsyncSync(fd);
    });
    renameSync(temporary, file);
    syncDirectory(dirname(file));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw writeError(told, error);
  }
}

/** The name that a file of a `replaceFile` that was killed was to get; undefined: it is no such file. Pure. */
export function leftOverOf(name: string): string | undefined {
  return /^\.(.+)\.[0-9a-f]{12}$/.exec(name)?.[1];
}

function withDescriptor(file: string, flags: number, mode: number, use: (fd: number) => void): void {
  const fd = openSync(file, flags, mode);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function syncDirectory(directory: string): void {
  withDescriptor(directory, constants.O_RDONLY | constants.O_DIRECTORY, 0, fsyncSync);
}

function writeError(path: string, error: unknown): MetactlError {
  if (error instanceof MetactlError) return error;
  const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST') {
    return new MetactlError(`${path} is there already`, {
      code: 'METACTL_EXISTS',
      path,
      hint: 'change it with metactl edit',
      cause: error,
    });
  }
  const forbidden = (code === 'EACCES' || code === 'EPERM') && process.geteuid?.() !== 0;
  return new MetactlError(`can't write ${path}: ${code}`, {
    code: forbidden ? 'METACTL_NEEDS_ROOT' : code,
    step: 'write configuration',
    path,
    hint: forbidden ? 'run metactl as root' : 'look at the file system',
    cause: error,
    exitStatus: forbidden ? EXIT.needsRoot : EXIT.error,
    ...(errno === undefined ? {} : { errno }),
    ...(syscall === undefined ? {} : { syscall }),
  });
}
