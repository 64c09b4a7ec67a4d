import { dirname } from 'node:path';
import type { HostFacts } from '../host/host.ts';
import { mayBeHidden } from './app-directory.ts';
import { HIDDEN, isBelow } from './host-directories.ts';
import type { MountRequest } from './mounts.ts';

export interface OtherAppsInput {
  readonly facts: HostFacts;
  /** App directories of other apps, absolute, as they are told. */
  readonly others: readonly string[];
  /** Real path of the app's own directory and of its state directory. */
  readonly directory: string;
  readonly stateDirectory: string;
  /** The same and as they are written. */
  readonly own: readonly string[];
  /** Metactl's own directories, real paths: hidden anyway. */
  readonly covered: readonly string[];
  readonly mounts: readonly MountRequest[];
}

/** What an app must not see of the others. Real paths. */
export interface HiddenApps {
  /** Hidden with a place in them: for the app itself, or for a mount. Outer ones first. */
  readonly covers: readonly string[];
  /** Nothing in them is needed. */
  readonly masks: readonly string[];
  /** Where a mount of `.metactl` shows them once more. */
  readonly images: readonly string[];
}

/** Root's own file of ext4 volumes; nobody else can read it. */
const NOBODYS = 'lost+found';

/**
 * Decides how the directories of other apps are hidden. The app's own directory stays, wherever it lies, and what
 * administrators mount with `[sandbox.mounts]` wins. Where a directory holds nothing but apps, it is hidden as a whole.
 * Pure but for the look-ups of `facts`.
 */
export function hideOtherApps(input: OtherAppsInput): HiddenApps {
  const { directory, stateDirectory, own, mounts } = input;
  const asked = shownOnPurpose(input);
  const found = realDirectories(input).filter((path) => !asked.some((target) => isBelow(path, target)));
  const hidden = outermost(together(outermost(found, directory), input), directory);
  const places = [...own, directory, stateDirectory, ...mounts.map(({ target }) => target), ...asked];
  const hasPlace = (path: string) => places.some((place) => place !== path && isBelow(place, path));
  return {
    covers: hidden.filter(hasPlace),
    masks: hidden.filter((path) => !hasPlace(path)),
    images: images(found, input),
  };
}

/**
 * Targets that administrators bind, as they are written and as they really are. To make the app's own directory writable
 * says nothing about those of others in it.
 */
function shownOnPurpose({ facts, mounts, own, directory }: OtherAppsInput): string[] {
  const binds = mounts.filter(({ kind, trusted }) => trusted && (kind === 'ro' || kind === 'rw'));
  const targets = binds.flatMap(({ target }) => [target, facts.realPath(target) ?? target]);
  return [...new Set(targets)].filter((target) => target !== directory && !own.includes(target));
}

function realDirectories({ facts, others, directory, stateDirectory, covered }: OtherAppsInput): string[] {
  // What is hidden anyway, and what the app itself could take away under the mount.
  const settled = [...HIDDEN, ...covered, stateDirectory];
  const found = new Set<string>();
  for (const told of others) {
    const real = facts.realPath(told);
    if (real === undefined || real === directory || settled.some((path) => isBelow(real, path))) continue;
    // Somebody's link into this app's directory would take away what it leads to. Its own app does not start.
    if (real !== told && isBelow(real, directory) && !facts.decidedByRoot(told)) continue;
    if (mayBeHidden(real, covered) && facts.state(real) === 'directory') found.add(real);
  }
  return [...found];
}

/** Leaves out what lies in another one, unless the app's own directory, which is shown, lies between. Shortest first. */
function outermost(paths: readonly string[], directory: string): string[] {
  const kept = new Set<string>();
  for (const path of [...paths].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))) {
    let above = dirname(path);
    while (above !== '/' && above !== directory && !kept.has(above)) above = dirname(above);
    if (above === directory || !kept.has(above)) kept.add(path);
  }
  return [...kept];
}

/** Where all of a directory's entries are hidden or the app's own, hides the directory in place of them. */
function together(paths: readonly string[], input: OtherAppsInput): string[] {
  const hidden = new Set(paths);
  const shown = new Set([...input.own, input.directory, ...shownOnPurpose(input)]);
  const tried = new Set<string>();
  for (;;) {
    const parents = new Map<string, string[]>();
    for (const path of hidden) {
      const inside = parents.get(dirname(path));
      if (inside === undefined) parents.set(dirname(path), [path]);
      else inside.push(path);
    }
    const parent = [...parents].find(([path, inside]) => {
      if (inside.length < 2 || tried.has(path)) return false;
      tried.add(path);
      return holdsOnly(path, inside.length, hidden, shown, input);
    });
    if (parent === undefined) return [...hidden];
    for (const path of parent[1]) hidden.delete(path);
    hidden.add(parent[0]);
  }
}

function holdsOnly(
  path: string,
  count: number,
  hidden: ReadonlySet<string>,
  shown: ReadonlySet<string>,
  { facts, covered, directory }: OtherAppsInput,
): boolean {
  if (path === '/' || path === directory || covered.some((own) => isBelow(own, path))) return false;
  const names = facts.entries(path, count + shown.size + 1);
  return (
    names?.every((name) => name === NOBODYS || hidden.has(`${path}/${name}`) || shown.has(`${path}/${name}`)) ?? false
  );
}

/** A `.metactl` may mount what lies in the app's own directory at another place of it, and with it what is hidden there. */
function images(hidden: readonly string[], { facts, mounts, directory }: OtherAppsInput): string[] {
  const inside = hidden.filter((path) => isBelow(path, directory));
  if (inside.length === 0) return [];
  return mounts.flatMap(({ kind, trusted, source, target }) => {
    if (trusted || (kind !== 'ro' && kind !== 'rw')) return [];
    const real = facts.realPath(source) ?? source;
    if (inside.some((path) => isBelow(real, path))) return [target];
    return inside.filter((path) => isBelow(path, real)).map((path) => target + path.slice(real.length));
  });
}
