import type { KeySpec, SectionSpec } from '../types.ts';
import { APP, ENV } from './app.ts';
import { DAEMON } from './daemon.ts';
import { NODE } from './node.ts';
import { SANDBOX } from './sandbox.ts';

/** Every section of an app's configuration, in the order of the documentation. */
export const APP_SECTIONS: readonly SectionSpec[] = [...ENV, DAEMON, ...SANDBOX, ...APP];
/** Every section of metactl.conf. */
export const NODE_SECTIONS: readonly SectionSpec[] = NODE;

const sectionCache = new Map<string, SectionSpec | undefined>();

/** The section of an app's configuration that a header names; `daemon.webapp` is `daemon.*`. */
export function sectionSpec(section: string): SectionSpec | undefined {
  if (sectionCache.has(section)) return sectionCache.get(section);
  const spec = findSection(section);
  // Only what exists is kept: names that files make up must not fill the memory of a long-running supervisor.
  if (spec !== undefined) sectionCache.set(section, spec);
  return spec;
}

function findSection(section: string): SectionSpec | undefined {
  const exact = APP_SECTIONS.find((spec) => spec.name === section);
  if (exact !== undefined) return exact;
  const dot = section.indexOf('.');
  if (dot <= 0 || dot === section.length - 1) return undefined;
  const pattern = `${section.slice(0, dot)}.*`;
  return APP_SECTIONS.find((spec) => spec.name === pattern);
}

/** Keys by name and alias; patterns (`depends-on.*`, `*`) apart. */
interface KeyIndex {
  readonly names: ReadonlyMap<string, KeySpec>;
  readonly patterns: readonly KeySpec[];
}

/** Made once per table: looking through it for every key of every file costs milliseconds at start. */
const indexes = new WeakMap<readonly KeySpec[], KeyIndex>();

function indexOf(keys: readonly KeySpec[]): KeyIndex {
  let index = indexes.get(keys);
  if (index === undefined) {
    const names = new Map<string, KeySpec>();
    for (const spec of keys) for (const name of [spec.key, ...(spec.aliases ?? [])]) names.set(name, spec);
    index = { names, patterns: keys.filter((spec) => spec.key === '*' || spec.key.endsWith('.*')) };
    indexes.set(keys, index);
  }
  return index;
}

/** The key that a name stands for among a section's keys: itself, by alias, or by pattern (`depends-on.db`, `*`). */
export function keySpec(keys: readonly KeySpec[], name: string): KeySpec | undefined {
  const { names, patterns } = indexOf(keys);
  return names.get(name) ?? patterns.find((spec) => spec.key === '*' || isBelow(name, spec.key.slice(0, -1)));
}

function isBelow(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && name.length > prefix.length;
}
