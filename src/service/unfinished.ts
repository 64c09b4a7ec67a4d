import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { replaceFile } from '../config/install.ts';
import { fileError, removeLeftOvers } from './files.ts';

/**
 * What an installation has begun is written down before its first step, and removed after its last one: of files that are
 * as they should be nobody could tell whether the manager was told, nor that nobody disabled them since.
 */
export interface Unfinished {
  /** Where its files are: another manager's are no concern of this one's. */
  readonly directory: string;
  /** Files that were not there before; undefined: all of them are to be handled as new. */
  readonly added?: readonly string[];
  /** Units whose links have to be made anew. */
  readonly relinked?: readonly string[];
  /** Units that somebody has disabled since it was begun: they stay so. `all`: also those that are still to be written. */
  readonly disabled?: readonly string[] | 'all';
}

/** The file that says it. */
export interface InstallRecord {
  readonly file: string;
  readonly text: string;
}

/** Pure. @param app '' for the supervisor of the node. */
export function recordOf(lib: string, app: string, unfinished: Unfinished): InstallRecord {
  return { file: fileOf(lib, app), text: `${JSON.stringify(unfinished)}\n` };
}

function fileOf(lib: string, app: string): string {
  return join(lib, 'installing', app === '' ? NODE : app);
}

const NODE = '.node';

/** What an earlier run has left undone of an app. @throws MetactlError METACTL_NEEDS_ROOT (77) where it may not be read. */
export function readUnfinished(lib: string, app: string, directory: string): Unfinished | undefined {
  const file = fileOf(lib, app);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError('read', file, error);
  }
  const found = parse(text);
  return found === undefined || found.directory === directory ? (found ?? { directory }) : undefined;
}

/**
 * The same after a `disable` or `enable`. Pure.
 * @param units of the app. @param chosen those of them that it was about; undefined: all.
 */
export function withChoice(
  begun: Unfinished,
  units: readonly string[],
  chosen: readonly string[] | undefined,
  enabled: boolean,
): Unfinished {
  const { disabled: before = [], ...rest } = begun;
  if (chosen === undefined) return enabled ? rest : { ...rest, disabled: 'all' };
  const kept = (before === 'all' ? units : before).filter((unit) => !chosen.includes(unit));
  const disabled = enabled ? kept : before === 'all' ? before : [...kept, ...chosen];
  return disabled.length === 0 ? rest : { ...rest, disabled };
}

/** Apps of which an installation has been begun and not completed, '' for the supervisor of the node; sorted. */
export function unfinishedApps(lib: string): readonly string[] {
  try {
    const names = readdirSync(dirname(fileOf(lib, ''))).filter((name) => name === NODE || !name.startsWith('.'));
    return names.map((name) => (name === NODE ? '' : name)).sort();
  } catch {
    // There is none, or it is nobody's business who may not read it.
    return [];
  }
}

/** Undefined for what metactl did not write: then all of it is done anew. */
function parse(text: string): Unfinished | undefined {
  try {
    const found = JSON.parse(text) as Partial<Unfinished> | null;
    const { directory, added, relinked, disabled } = found ?? {};
    if (typeof directory !== 'string') return undefined;
    return {
      directory,
      ...(Array.isArray(added) ? { added: added.map(String) } : {}),
      ...(Array.isArray(relinked) ? { relinked: relinked.map(String) } : {}),
      ...(Array.isArray(disabled) ? { disabled: disabled.map(String) } : disabled === 'all' ? { disabled } : {}),
    };
  } catch {
    return undefined;
  }
}

/** @throws MetactlError */
export function writeRecords(records: readonly InstallRecord[]): void {
  for (const { file, text } of records) {
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      replaceFile(file, text, 0o644);
    } catch (error) {
      throw fileError('write', file, error);
    }
  }
}

/** @throws MetactlError */
export function removeRecords(records: readonly InstallRecord[]): void {
  for (const { file } of records) {
    try {
      rmSync(file, { force: true });
      removeLeftOvers(dirname(file), [basename(file)]);
      rmdirSync(dirname(file));
    } catch (error) {
      // Others' records are there, or another metactl has just removed the last of them.
      if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) continue;
      throw fileError('remove', file, error);
    }
  }
}
