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

/** The key that a name stands for among a section's keys: itself, by alias, or by pattern (`depends-on.db`, `*`). */
export function keySpec(keys: readonly KeySpec[], name: string): KeySpec | undefined {
  return (
    keys.find((spec) => spec.key === name || spec.aliases?.includes(name)) ??
    keys.find((spec) => spec.key === '*' || (spec.key.endsWith('.*') && isBelow(name, spec.key.slice(0, -1))))
  );
}

function isBelow(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && name.length > prefix.length;
}
