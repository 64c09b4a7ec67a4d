import { join } from 'node:path';
import { EXIT, MetactlError } from '../../../util/error.ts';
import type { Paths } from '../../../util/paths.ts';
import type { CgroupFacts, CgroupLimits } from '../../host.ts';
import { detectCgroups } from './detect.ts';
import { type CgroupKernel, errnoOf } from './kernel.ts';
import { killInside } from './kill.ts';
import { checkLimits, type LimitWrite, planLimits } from './limits.ts';
import { cgroupError } from './make.ts';
import { type Backends, type DaemonCgroup, LINUX, OpenCgroup, PARENTS } from './open-cgroup.ts';
import { removeCgroup, removeEmptyParents } from './remove.ts';
import { searchUnified } from './search.ts';
import { type Leaf, leafWith } from './stats.ts';
import { type Hierarchy, hierarchiesOf, leafPath } from './tree.ts';
import { limitsError, limitsWarnings, REASONS } from './unenforceable.ts';
import { makeLeafV1 } from './v1.ts';
import { makeLeafV2 } from './v2.ts';

/**
 * Makes a daemon's cgroup `<controller>/metactl[-<id>]/<app>/<daemon>` and limits it. Synchronous: it is part of a launch.
 * Left-overs of an earlier run of the same daemon are replaced if nothing runs in them. Without root it makes nothing and
 * the result is empty.
 * @throws MetactlError METACTL_LIMIT_UNENFORCEABLE (78) unless `bestEffort`, METACTL_CGROUP_BUSY, or an errno with step and path;
 *   what had been made is removed again.
 */
export function makeDaemonCgroup(
  paths: Paths,
  app: string,
  daemon: string,
  limits: CgroupLimits,
  facts: CgroupFacts,
  bestEffort: boolean,
  { kernel, processes }: Backends = LINUX,
): DaemonCgroup {
  const warnings = [...checkLimits(limits, facts, bestEffort)];
  const { writes } = planLimits(limits, facts);
  const leaves: Leaf[] = [];
  const io = writes.some(({ controller }) => controller === 'io' || controller === 'blkio');
  try {
    for (const hierarchy of hierarchiesOf(facts, io)) {
      const path = leafPath(hierarchy, paths, app, daemon);
      leaves.push({ hierarchy, path: path.leaf });
      (hierarchy.version === 1 ? makeLeafV1 : makeLeafV2)(kernel, hierarchy, path);
    }
    for (const write of writes) warnings.push(...applyLimit(kernel, leaves, write, bestEffort));
    return new OpenCgroup(leaves, warnings, { kernel, processes });
  } catch (error) {
    for (const { path } of leaves) discard(kernel, path);
    throw error;
  }
}

/** The first failure is the one to tell, whatever else fails here; gc removes the rest. */
function discard(kernel: CgroupKernel, path: string): void {
  try {
    kernel.rmdir(path);
  } catch {
    // Not made yet, or in use.
  }
  removeEmptyParents(kernel, path, PARENTS, []);
}

/** @returns a warning where this kernel lacks the file and that is accepted. */
function applyLimit(kernel: CgroupKernel, leaves: readonly Leaf[], write: LimitWrite, bestEffort: boolean): string[] {
  const file = `${leafWith(leaves, write.controller)!.path}/${write.file}`;
  try {
    kernel.write(file, write.value);
    return [];
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw cgroupError(error, `set ${write.key} to ${write.value} in`, file);
    const unenforceable = [{ key: write.key, reason: REASONS.noFile(write.file) }];
    if (!bestEffort) throw limitsError(unenforceable);
    return limitsWarnings(unenforceable);
  }
}

/**
 * Opens the cgroup of a daemon that runs, for another process to join it. `remove` is not for its users.
 * @throws MetactlError METACTL_NO_CGROUP (3) where the daemon has none.
 */
export function openDaemonCgroup(
  paths: Paths,
  app: string,
  daemon: string,
  facts: CgroupFacts = detectCgroups(),
  backends: Backends = LINUX,
): DaemonCgroup {
  const { kernel } = backends;
  const leaves = leavesOf(hierarchiesOf(facts, true), paths, app, daemon).flatMap((leaf) => {
    if (kernel.exists(leaf.path)) return [leaf];
    if (leaf.hierarchy.version === 1) return [];
    // Its supervisor was started in another cgroup than this process.
    const trees = searchUnified(paths, facts.unified!, kernel).map((tree) => join(tree, app, daemon));
    return trees.filter((path) => kernel.exists(path)).map((path) => ({ ...leaf, path }));
  });
  if (leaves.length > 0 || facts.permitted === false) return new OpenCgroup(leaves, [], backends);
  throw new MetactlError(`${app} ${daemon} has no cgroup`, {
    code: 'METACTL_NO_CGROUP',
    step: 'open cgroup',
    hint: 'it has ended meanwhile',
    exitStatus: EXIT.notRunning,
  });
}

/**
 * Removes what an earlier run of a daemon left, killing what is still inside: only for the holder of the daemon's lock.
 * @throws MetactlError METACTL_CGROUP_BUSY where something inside doesn't end.
 */
export async function removeDaemonCgroup(
  paths: Paths,
  app: string,
  daemon: string,
  facts: CgroupFacts = detectCgroups(),
  { kernel, processes }: Backends = LINUX,
): Promise<void> {
  const all = leavesOf(hierarchiesOf(facts, true), paths, app, daemon).map(({ path }) => path);
  if (!kernel.existsAny(all)) return;
  const directories = all.filter((path) => kernel.exists(path));
  killInside(kernel, directories, processes);
  await removeCgroup(kernel, directories, PARENTS, () => killInside(kernel, directories, processes));
}

function leavesOf(hierarchies: readonly Hierarchy[], paths: Paths, app: string, daemon: string): Leaf[] {
  return hierarchies.map((hierarchy) => ({ hierarchy, path: leafPath(hierarchy, paths, app, daemon).leaf }));
}
