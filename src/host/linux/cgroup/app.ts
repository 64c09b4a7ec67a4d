import { join } from 'node:path';
import type { Paths } from '../../../util/paths.ts';
import type { CgroupFacts } from '../../host.ts';
import { detectCgroups } from './detect.ts';
import { type CgroupKernel, linuxKernel } from './kernel.ts';
import { killInside, readPids } from './kill.ts';
import { type Backends, LINUX } from './open-cgroup.ts';
import { removeCgroup } from './remove.ts';
import { findTrees } from './search.ts';

/** The cgroups of one app as they are, whoever made them. */
export interface AppCgroups {
  readonly app: string;
  readonly daemons: readonly string[];
  /** The app's directories, one per hierarchy. */
  readonly paths: readonly string[];
}

/** Every app of this root that has cgroups, sorted by name. */
export function listAppCgroups(
  paths: Paths,
  facts: CgroupFacts = detectCgroups(),
  kernel: CgroupKernel = linuxKernel,
): AppCgroups[] {
  const apps = new Map<string, { daemons: Set<string>; paths: string[] }>();
  for (const tree of findTrees(paths, facts, kernel)) {
    for (const app of kernel.directories(tree)) {
      const found = apps.get(app) ?? { daemons: new Set(), paths: [] };
      apps.set(app, found);
      found.paths.push(join(tree, app));
      for (const daemon of kernel.directories(join(tree, app))) found.daemons.add(daemon);
    }
  }
  return [...apps]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([app, found]) => ({ app, daemons: [...found.daemons].sort(), paths: found.paths }));
}

/**
 * The cgroups of one app, or undefined where it has none. It looks at nothing of other apps: gc asks for each app, and the
 * time of 300 dead ones would grow with their square.
 */
export function findAppCgroups(
  paths: Paths,
  app: string,
  facts: CgroupFacts = detectCgroups(),
  kernel: CgroupKernel = linuxKernel,
): AppCgroups | undefined {
  const found = findTrees(paths, facts, kernel)
    .map((tree) => join(tree, app))
    .filter((path) => kernel.exists(path));
  if (found.length === 0) return undefined;
  const daemons = new Set(found.flatMap((path) => kernel.directories(path)));
  return { app, daemons: [...daemons].sort(), paths: found };
}

/**
 * Kills everything in an app's cgroups and removes them: for gc, when no supervisor of the app lives. Nothing outside this
 * root's own tree is touched.
 * @returns the removed directories. @throws MetactlError METACTL_CGROUP_BUSY where something inside doesn't end.
 */
export async function removeAppCgroups(
  paths: Paths,
  app: string,
  facts: CgroupFacts = detectCgroups(),
  { kernel, processes }: Backends = LINUX,
): Promise<string[]> {
  const found = findAppCgroups(paths, app, facts, kernel);
  if (found === undefined) return [];
  // One cgroup at a time, as all hierarchies show it: what one of them kills at once need not be signalled in the others.
  const kill = () => {
    for (const daemon of found.daemons) killInside(kernel, daemonPaths(found, daemon, kernel), processes);
  };
  kill();
  return await removeCgroup(kernel, found.paths, 1, kill);
}

function daemonPaths(found: AppCgroups, daemon: string, kernel: CgroupKernel): string[] {
  return found.paths.map((path) => join(path, daemon)).filter((path) => kernel.exists(path));
}

/** Host pids in the cgroups of a daemon, sorted; empty where it doesn't run. */
export function pidsOf(found: AppCgroups, daemon: string, kernel: CgroupKernel = linuxKernel): number[] {
  const pids = daemonPaths(found, daemon, kernel).flatMap((path) => readPids(kernel, path));
  return [...new Set(pids)].sort((a, b) => a - b);
}
