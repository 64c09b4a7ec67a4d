import type { LayerFile } from './layers.ts';
import * as messages from './messages.ts';
import { sectionSpec } from './schema/index.ts';
import type { Layer, Origin, Problem } from './types.ts';

/** One value as a layer wrote it. */
export interface Written {
  readonly layer: Layer;
  readonly raw: string;
  /** Points at the value. */
  readonly origin: Origin;
  readonly keyColumn: number;
}

/** One key of the merged configuration: who wins, and what it replaced. */
export interface MergedKey {
  readonly section: string;
  readonly key: string;
  readonly winner: Written;
  /** Nearest first. */
  readonly overridden: readonly Written[];
}

/** All that the layers say, per section and key. Maps only: no name of a file ever becomes a property. */
export interface Merged {
  /** In order of first appearance, lowest layer first; also sections without keys. */
  readonly sections: ReadonlyMap<string, ReadonlyMap<string, MergedKey>>;
  /** For sections with repeated keys: all of them, in order. */
  readonly repeated: ReadonlyMap<string, readonly MergedKey[]>;
  /** Keys that an empty value unset, so that no platform default comes back: `section NUL key`. */
  readonly unset: ReadonlySet<string>;
}

/** Merges layers, lowest first, per key: later wins, an empty value unsets (DESIGN §3). Pure. */
export function merge(
  files: readonly LayerFile[],
  canonical: (section: string, key: string) => string = (_section, key) => key,
): { merged: Merged; problems: Problem[] } {
  const sections = new Map<string, Map<string, MergedKey>>();
  const repeated = new Map<string, MergedKey[]>();
  const unset = new Set<string>();
  const problems: Problem[] = [];
  for (const file of files) {
    for (const { section } of file.headers) if (!sections.has(section)) sections.set(section, new Map());
    const writtenAs = new Map<string, string>();
    const lists = new Map<string, MergedKey[]>();
    for (const entry of file.entries) {
      const { section } = entry;
      const key = canonical(section, entry.key);
      const id = `${section}\0${key}`;
      const written: Written = {
        layer: file.layer,
        raw: entry.raw,
        origin: { layer: file.layer, file: file.file, line: entry.line, column: entry.valueColumn },
        keyColumn: entry.keyColumn,
      };
      if (sectionSpec(section)?.repeats === true) {
        addRepeated(lists, id, section, key, written);
        continue;
      }
      const other = writtenAs.get(id);
      if (other !== undefined) {
        const text = messages.aliasTwice(entry.key, other);
        problems.push({ ...text, file: file.file, line: entry.line, column: entry.keyColumn });
        continue;
      }
      writtenAs.set(id, entry.key);
      const keys = sections.get(section)!;
      const before = keys.get(key);
      if (entry.raw === '') {
        keys.delete(key);
        unset.add(id);
        continue;
      }
      unset.delete(id);
      const overridden = before === undefined ? [] : [before.winner, ...before.overridden];
      keys.set(key, { section, key, winner: written, overridden });
    }
    for (const [id, list] of lists) replaceRepeated(sections, repeated, id, list);
  }
  problems.push(...dottedClashes(sections));
  return { merged: { sections, repeated, unset }, problems };
}

/** An empty value starts a repeated key anew, as in systemd's own files. */
function addRepeated(
  lists: Map<string, MergedKey[]>,
  id: string,
  section: string,
  key: string,
  written: Written,
): void {
  const list = lists.get(id);
  if (list === undefined || written.raw === '') lists.set(id, []);
  if (written.raw !== '') lists.get(id)!.push({ section, key, winner: written, overridden: [] });
}

/** A layer that names a repeated key replaces all values that lower layers gave it. */
function replaceRepeated(
  sections: Map<string, Map<string, MergedKey>>,
  repeated: Map<string, MergedKey[]>,
  id: string,
  list: MergedKey[],
): void {
  const [section, key] = id.split('\0') as [string, string];
  const before = repeated.get(section) ?? [];
  const replaced = before.filter((item) => item.key === key).map((item) => item.winner);
  const kept = before.filter((item) => item.key !== key);
  const overridden = replaced.reverse();
  repeated.set(section, [...kept, ...list.map((item) => ({ ...item, overridden }))]);
  const keys = sections.get(section)!;
  const last = list.at(-1);
  if (last === undefined) keys.delete(key);
  else keys.set(key, { ...last, overridden });
}

/** `[a] b` of one file beside `[a.b]` of another. Within one file the scanner has told it already. */
function dottedClashes(sections: ReadonlyMap<string, ReadonlyMap<string, MergedKey>>): Problem[] {
  const problems: Problem[] = [];
  for (const [section, keys] of sections) {
    for (const { key, winner } of keys.values()) {
      const other = sections.get(`${section}.${key}`);
      if (other === undefined) continue;
      const elsewhere = [...other.values()].find((item) => item.winner.origin.file !== winner.origin.file);
      if (elsewhere === undefined) continue;
      const text = messages.keyAndSection(section, key, elsewhere.winner.origin.file);
      problems.push({ ...text, file: winner.origin.file, line: winner.origin.line, column: winner.keyColumn });
    }
  }
  return problems;
}
