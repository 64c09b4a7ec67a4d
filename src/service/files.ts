import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { leftOverOf, replaceFile } from '../config/install.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { inDirectory } from './below.ts';
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
      if (below === '' && entry.isSymbolicLink() && isAlias(directory, name)) return [];
      if (!entry.isDirectory()) return [name];
      return below !== '' || isOfInterest(entry.name) ? listNames(directory, name) : [];
    });
    return names.sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError('list', directory, error);
  }
}

/** What `Alias=` of a unit has systemd make: it goes with that unit, and is none. */
function isAlias(directory: string, name: string): boolean {
  const target = resolve(directory, readlinkSync(join(directory, name)));
  return dirname(target) === resolve(directory) && basename(target) !== name;
}

/** Directories of metactl's, and those where systemd has its links. */
function isOfInterest(name: string): boolean {
  return name.startsWith('metactl') || name.endsWith('.wants');
}

/** Reads the files of an app, never through a link. @throws MetactlError */
export function readFiles(directory: string, names: readonly string[]): readonly FoundFile[] {
  return names.map((name) => {
    try {
      return inDirectory(directory, dirname(name), false, (path) => readFound(join(path, basename(name)), name));
    } catch (error) {
      if (isLink(error)) return { name, text: undefined, mode: 0 };
      throw fileError('read', join(directory, name), error);
    }
  });
}

function readFound(path: string, name: string): FoundFile {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { name, text: undefined, mode: 0 };
    const text = stat.size > LARGEST ? undefined : readFileSync(fd, 'utf8');
    return { name, text, mode: stat.mode & 0o7777 };
  } finally {
    closeSync(fd);
  }
}

/** What O_NOFOLLOW, with and without O_DIRECTORY, says of a link, and open(2) of a socket. */
function isLink(error: unknown): boolean {
  return ['ELOOP', 'ENOTDIR', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '');
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

/** Not even with `--force`: what is in them is nobody's to remove. @throws MetactlError METACTL_DIRECTORY */
export function requireNoDirectories(directory: string, names: readonly string[]): void {
  for (const name of names) {
    const path = join(directory, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) continue;
    throw new MetactlError(`${path} is a directory: no file can be written there`, {
      code: 'METACTL_DIRECTORY',
      step: 'compare with what is there',
      path,
      hint: 'look at what is in it, then move it away',
    });
  }
}

/** Also where it is none any more: somebody is at work there. */
function linkedMeanwhile(directory: string, name: string): MetactlError {
  try {
    requireNoLinks(directory, [name]);
  } catch (error) {
    return error as MetactlError;
  }
  const path = join(directory, name);
  return new MetactlError(
    `a directory above ${path} has become a link or a file meanwhile: nothing is done through it`,
    {
      code: 'METACTL_LINKED',
      step: 'install service files',
      path,
      hint: `look at ${directory}, and who changes it; then run it again`,
    },
  );
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
        removeFile(directory, name);
        removeEmpty(directory, dirname(name));
      } else {
        inDirectory(directory, dirname(name), true, (inside) =>
          replaceFile(join(inside, basename(name)), after.text, after.mode, path),
        );
      }
    } catch (error) {
      // One that has become a link since it was looked at.
      if (isLink(error)) throw linkedMeanwhile(directory, name);
      throw fileError(after === undefined ? 'remove' : 'write', path, error);
    }
  }
}

/** It may be gone, with its directory. */
function removeFile(directory: string, name: string): void {
  try {
    inDirectory(directory, dirname(name), false, (inside) => rmSync(join(inside, basename(name)), { force: true }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Milliseconds after which what a `replaceFile` has beside its file is left over: it needs it for some. */
const IN_USE = 2000;

/** Removes what killed runs have left beside files of these names. @param directory it may be gone. */
export function removeLeftOvers(directory: string, names: readonly string[]): void {
  for (const below of new Set(names.map(dirname))) {
    try {
      inDirectory(directory, below, false, (inside) => {
        for (const name of readdirSync(inside)) {
          const meant = leftOverOf(name);
          if (meant === undefined || !names.includes(join(below, meant))) continue;
          const stat = lstatSync(join(inside, name), { throwIfNoEntry: false });
          if (stat?.isFile() === true && Date.now() - stat.mtimeMs > IN_USE)
            rmSync(join(inside, name), { force: true });
        }
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/** Directories that held nothing else (`metactl.shop.web/log`); what somebody put there stays, with its directory. */
function removeEmpty(directory: string, below: string): void {
  for (let name = below; name !== '.'; name = dirname(name)) {
    try {
      inDirectory(directory, dirname(name), false, (inside) => rmdirSync(join(inside, basename(name))));
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
