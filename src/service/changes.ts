import { EXIT, MetactlError } from '../util/error.ts';
import { originOf, type ServiceFile } from './service-file.ts';

/** A file as it is on disk. */
export interface FoundFile {
  readonly name: string;
  /** Undefined: it is no regular file (a masked unit is a link to /dev/null). */
  readonly text: string | undefined;
  readonly mode: number;
}

/** What an installation does to one file. */
export interface Change {
  readonly name: string;
  readonly before: string | undefined;
  /** Undefined: it is removed. */
  readonly after: ServiceFile | undefined;
  readonly kind: 'add' | 'change' | 'remove' | 'same';
  /** The mode that it has, where that is to be another one. */
  readonly modeBefore?: number;
  /** Why it is not done without `--force`. */
  readonly blocked?: string;
}

/** Compares what should be there with what is there. Pure. @param found all files of the app that are there. */
export function changesOf(wanted: readonly ServiceFile[], found: readonly FoundFile[]): readonly Change[] {
  const there = new Map(found.map((file) => [file.name, file]));
  const changes = wanted.map((after): Change => {
    const file = there.get(after.name);
    there.delete(after.name);
    if (file === undefined) return { name: after.name, before: undefined, after, kind: 'add' };
    const { text: before } = file;
    if (before === after.text && file.mode === after.mode) return { name: after.name, before, after, kind: 'same' };
    // No reason to ask: no file of metactl's has secrets, and a script that can't be executed serves nobody.
    const mode = before === undefined || file.mode === after.mode ? {} : { modeBefore: file.mode };
    return { name: after.name, before, after, kind: 'change', ...mode, ...blockedBy(file) };
  });
  const gone = [...there.values()].map(
    (file): Change => ({ name: file.name, before: file.text, after: undefined, kind: 'remove', ...blockedBy(file) }),
  );
  return [...changes, ...gone];
}

function blockedBy({ text }: FoundFile): { blocked?: string } {
  if (text === undefined) return { blocked: 'it is no regular file' };
  const origin = originOf(text);
  if (origin === 'ours') return {};
  return { blocked: origin === 'changed' ? 'it was changed by hand' : 'metactl did not make it' };
}

/** How to see what would be lost: `install` and `uninstall` show it themselves. */
const SHOWN = '--dry-run shows the difference';

/** @param shown how to see it. @throws MetactlError METACTL_UNIT_CHANGED where something would be lost that metactl did not make. */
export function requireUnchanged(directory: string, changes: readonly Change[], shown = SHOWN): void {
  const blocked = changes.filter((change) => change.blocked !== undefined);
  if (blocked.length === 0) return;
  const lines = blocked.map(({ name, blocked: why, after }) => {
    const what = after === undefined ? 'remove' : 'overwrite';
    return `won't ${what} ${directory}/${name}: ${why}`;
  });
  throw new MetactlError(lines, {
    code: 'METACTL_UNIT_CHANGED',
    step: 'compare with what is there',
    hint: `${shown}, --force does it; own settings are kept in [systemd.*] of the configuration or by \`systemctl edit\``,
    details: { files: blocked.map(({ name }) => name) },
    exitStatus: EXIT.error,
  });
}
