import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { replaceFile } from '../config/install.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Change, FoundFile } from './changes.ts';
import { shellWord } from './shell-quote.ts';

/** Bytes of a service file; a longer one was not made by us. */
const LARGEST = 1 << 20;

/**
 * Names of the files in a manager's directory, sorted, and what is below directories of metactl's (`metactl.shop.web/run`) and `*.wants`;
 * none where the directory isn't there. @throws MetactlError METACTL_NEEDS_ROOT (77) where it may not be read.
 */
export function listNames(directory: string, below = ''): string[] {
  try {
    const entries = readdirSync(join(directory, below), { withFileTypes: true });
    const names = entries.flatMap((entry) => {
      const name = join(below, entry.name);
      if (!entry.isDirectory()) return [name];
      return below !== '' || isOfInterest(entry.name) ? listNames(directory, name) : [];
    });
    return names.sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError('list', directory, error);
  }
}

/** Directories of metactl's, and those where systemd has its links. */
function isOfInterest(name: string): boolean {
  return name.startsWith('metactl') || name.endsWith('.wants');
}

/** Reads the files of an app, never through a link. @throws MetactlError */
export function readFiles(directory: string, names: readonly string[]): readonly FoundFile[] {
  return names.map((name) => {
    const path = join(directory, name);
    try {
      if (!lstatSync(path).isFile()) return { name, text: undefined, mode: 0 };
      const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        const { size, mode } = fstatSync(fd);
        return { name, text: size > LARGEST ? undefined : readFileSync(fd, 'utf8'), mode: mode & 0o7777 };
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw fileError('read', path, error);
    }
  });
}

/**
 * Directories of services (`metactl.shop.web/`) are compared by what is in them, so none of them may be a link, as runit's usually are
 * (`/etc/service/metactl.shop.web -> ../sv/metactl.shop.web`): what is behind it would be overwritten unseen.
 * @param names of files that are to be written. @throws MetactlError METACTL_LINKED
 */
export function requireNoLinks(directory: string, names: readonly string[]): void {
  const above = (name: string): string[] => (dirname(name) === '.' ? [] : [...above(dirname(name)), dirname(name)]);
  for (const name of new Set(names.flatMap(above))) {
    const path = join(directory, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) throw linked(path, name);
  }
}

function linked(path: string, name: string): MetactlError {
  const target = realPath(path);
  const below = `/${name}`;
  return new MetactlError(
    `${path} is a link${target === undefined ? ' to nothing' : ` to ${target}`}: nothing is written through it`,
    {
      code: 'METACTL_LINKED',
      step: 'compare with what is there',
      path,
      hint:
        target?.endsWith(below) === true
          ? `name the directory that it leads to: --to ${shellWord(target.slice(0, -below.length) || '/')}`
          : 'name the directory that holds the service itself, or remove the link',
    },
  );
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Writes and removes what changes say; each file is the old one or the new one at any moment. @throws MetactlError */
export function carryOut(directory: string, changes: readonly Change[]): void {
  for (const { name, kind, after } of changes) {
    const path = join(directory, name);
    if (kind === 'same') continue;
    try {
      if (after === undefined) {
        rmSync(path, { force: true });
        removeEmpty(directory, dirname(name));
      } else {
        requireNoLinks(directory, [name]);
        mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
        replaceFile(path, after.text, after.mode);
      }
    } catch (error) {
      throw fileError(after === undefined ? 'remove' : 'write', path, error);
    }
  }
}

/** Directories that held nothing else (`metactl.shop.web/log`); what somebody put there stays, with its directory. */
function removeEmpty(directory: string, below: string): void {
  for (let name = below; name !== '.'; name = dirname(name)) {
    try {
      rmdirSync(join(directory, name));
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['ENOTEMPTY', 'EEXIST'].includes(code)) return;
      // The manager has removed it with the last link in it.
      if (code === 'ENOENT') continue;
      throw error;
    }
  }
}

/** Pure. @param what `read` */
export function fileError(what: string, path: string, error: unknown): MetactlError {
  if (error instanceof MetactlError) return error;
  const { code = 'EIO' } = error as NodeJS.ErrnoException;
  const forbidden = (code === 'EACCES' || code === 'EPERM') && process.geteuid?.() !== 0;
  return new MetactlError(`can't ${what} ${path}: ${code}`, {
    code: forbidden ? 'METACTL_NEEDS_ROOT' : code,
    step: 'install service files',
    path,
    hint: forbidden ? 'run metactl as root' : 'look at the file system',
    cause: error,
    exitStatus: forbidden ? EXIT.needsRoot : EXIT.error,
  });
}
