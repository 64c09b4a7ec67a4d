import type { InstalledApp } from './manager.ts';

/** `metactl.shop`, or `metactl-1a2b.shop` under a moved root: dots tell app and daemon apart, which no name has. Pure. */
export function dottedName(app: string, nodeId: string, daemon?: string): string {
  const node = nodeId === '' ? 'metactl' : `metactl-${nodeId}`;
  return daemon === undefined ? `${node}.${app}` : `${node}.${app}.${daemon}`;
}

/**
 * Finds an app's units among file names that are a dotted name and one of these endings (`.conf`, `/run`, ''); the first
 * ending makes a unit, the others belong to it. Pure.
 */
export function findDotted(
  names: readonly string[],
  app: string,
  nodeId: string,
  endings: readonly string[],
): InstalledApp {
  const all = dottedName(app, nodeId);
  const units = new Map<string, string | undefined>();
  const files: string[] = [];
  for (const name of names) {
    const at = endings.findIndex((ending) => isUnit(name, ending, all));
    if (at < 0) continue;
    files.push(name);
    const unit = name.slice(0, name.length - endings[at]!.length);
    if (at === 0) units.set(unit, unit === all ? undefined : unit.slice(all.length + 1));
  }
  return { app, nodeId, files: files.sort(), units: [...units].map(([unit, daemon]) => ({ daemon, unit })) };
}

function isUnit(name: string, ending: string, all: string): boolean {
  if (!name.endsWith(ending)) return false;
  const unit = name.slice(0, name.length - ending.length);
  return unit === all || (unit.startsWith(`${all}.`) && /^[a-z][a-z0-9-]*$/.test(unit.slice(all.length + 1)));
}
