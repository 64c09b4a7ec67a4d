import type { Paths } from '../../../util/paths.ts';
import type { CgroupFacts } from '../../host.ts';
import { below } from './detect.ts';

/** One cgroup hierarchy that daemons are put into. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** The directory that metactl's tree is made in: v1 the mount point, v2 the supervisor's own cgroup. */
  readonly base: string;
  /** Those of metactl's controllers that it carries; none for hybrid's `unified` tree. */
  readonly controllers: readonly string[];
  /** v1: as its mount options name it, `cpu,cpuacct`; empty for v2. */
  readonly mountedWith: string;
}

/**
 * The controllers every daemon is put under: what `stats` reads and what JVMs size themselves by. A JVM ignores its cgroup
 * unless it also sees a v1 cpuset hierarchy, and sees there what it is in: its own one rather than the host's.
 */
const ALWAYS = ['memory', 'cpu', 'cpuacct', 'cpuset', 'pids'] as const;

/** The hierarchies a daemon is put into, `unified` last: it has `cgroup.kill` also where it carries no controller. Pure. */
export function hierarchiesOf(facts: CgroupFacts, io: boolean): readonly Hierarchy[] {
  const known = found.get(facts)?.[io ? 1 : 0];
  if (known !== undefined) return known;
  const both = [findHierarchies(facts, false), findHierarchies(facts, true)] as const;
  found.set(facts, both);
  return both[io ? 1 : 0];
}

/** Of facts that many daemons are started with. */
const found = new WeakMap<CgroupFacts, readonly [readonly Hierarchy[], readonly Hierarchy[]]>();

function findHierarchies(facts: CgroupFacts, io: boolean): Hierarchy[] {
  if (facts.permitted === false) return [];
  const wanted = [...ALWAYS, ...(io ? (['blkio', 'io'] as const) : [])];
  const v1 = new Map<string, { mountedWith: string; controllers: string[] }>();
  const v2: string[] = [];
  for (const name of wanted) {
    const controller = facts.controllers[name];
    if (controller === undefined) continue;
    const { version, mount, mountedWith } = controller;
    if (version === 1) v1.set(mount, { mountedWith, controllers: [...(v1.get(mount)?.controllers ?? []), name] });
    // v2 accounts CPU time everywhere, and nobody looks for a cpuset there.
    else if (name !== 'cpuacct' && name !== 'cpuset') v2.push(name);
  }
  const hierarchies: Hierarchy[] = [...v1].map(([base, found]) => ({ version: 1, base, ...found }));
  if (facts.unified !== undefined) {
    hierarchies.push({ version: 2, base: below(facts.unified, facts.own ?? '/'), controllers: v2, mountedWith: '' });
  }
  return hierarchies;
}

/** The directory of all of this root's apps in a hierarchy: `metactl`, or `metactl-<id>` under a moved root. Pure. */
export function treeName(paths: Paths): string {
  return paths.nodeId === '' ? 'metactl' : `metactl-${paths.nodeId}`;
}

/** A daemon's directory, top down. Names were validated where they were read; `/` or `..` here is a fault of metactl. Pure. */
export function leafPath(hierarchy: Hierarchy, paths: Paths, app: string, daemon: string): LeafPath {
  for (const name of [app, daemon]) if (!/^[a-z][a-z0-9-]*$/.test(name)) throw new TypeError(`not a name: ${name}`);
  // Put together by hand: `join` looks at every character, and a start of many daemons asks for a thousand of them.
  const tree = `${hierarchy.base === '/' ? '' : hierarchy.base}/${treeName(paths)}`;
  return { base: hierarchy.base, tree, app: `${tree}/${app}`, leaf: `${tree}/${app}/${daemon}` };
}

/** Directories in v1 hierarchies by what these are mounted with. Pure. */
export function v1Directories(
  leaves: readonly { readonly hierarchy: Hierarchy; readonly path: string }[],
): ReadonlyMap<string, string> {
  const old = leaves.filter(({ hierarchy }) => hierarchy.version === 1);
  return new Map(old.map(({ hierarchy, path }) => [hierarchy.mountedWith, path]));
}

export interface LeafPath {
  readonly base: string;
  readonly tree: string;
  readonly app: string;
  readonly leaf: string;
}
