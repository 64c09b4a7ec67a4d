import type { Paths } from '../../../util/paths.ts';
import type { CgroupFacts, CgroupLimits } from '../../host.ts';
import type { CgroupRequest, MadeCgroup } from '../addon.ts';
import { umaskHides } from './kernel.ts';
import { checkLimits, planLimits } from './limits.ts';
import { type DaemonCgroup, LINUX, OpenCgroup, PARENTS } from './open-cgroup.ts';
import { removeEmptyParents } from './remove.ts';
import { type Leaf, leafWith } from './stats.ts';
import { type Hierarchy, hierarchiesOf, leafPath, v1Directories } from './tree.ts';

/** A daemon's cgroup that a launch makes itself (`spawnSoon`). */
export interface PlannedCgroup {
  readonly request: CgroupRequest;
  /** As DaemonCgroup's. */
  readonly v1: ReadonlyMap<string, string>;
  /** @param made by the launch. */
  open(made: MadeCgroup): DaemonCgroup;
  /** Of a launch that failed: those that are empty. */
  removeParents(): void;
}

/**
 * The daemon's cgroup as `makeDaemonCgroup` would make it where all is as usual: nothing of an earlier run is there, and the app's
 * directory is, with what it hands on. Where it isn't, the launch fails and leaves nothing, and `makeDaemonCgroup` tells why.
 * @returns undefined where there is none to be made, or where it takes more. @throws MetactlError as `makeDaemonCgroup` for limits.
 */
export function planCgroup(
  paths: Paths,
  app: string,
  daemon: string,
  limits: CgroupLimits,
  facts: CgroupFacts,
  bestEffort: boolean,
): PlannedCgroup | undefined {
  const warnings = checkLimits(limits, facts, bestEffort);
  const { writes } = planLimits(limits, facts);
  const io = writes.some(({ controller }) => controller === 'io' || controller === 'blkio');
  const hierarchies = hierarchiesOf(facts, io);
  if (hierarchies.length === 0 || umaskHides()) return undefined;
  const leafOf = (hierarchy: Hierarchy) => leafPath(hierarchy, paths, app, daemon).leaf;
  const leaves: Leaf[] = hierarchies.map((hierarchy) => ({ hierarchy, path: leafOf(hierarchy) }));
  const unified = leaves.find(({ hierarchy }) => hierarchy.version === 2);
  const controllers = unified?.hierarchy.controllers ?? [];
  const others = hierarchiesOf(facts, true).filter(({ base }) => !hierarchies.some((one) => one.base === base));
  const together = controllers.includes('memory')
    ? [{ file: `${unified!.path}/memory.oom.group`, value: '1', optional: true }]
    : [];
  const request: CgroupRequest = {
    absent: others.map(leafOf),
    v1: leaves.filter(({ hierarchy }) => hierarchy.version === 1).map(({ path }) => path),
    v2: unified?.path ?? '',
    filled: leaves.flatMap(({ hierarchy, path }) => (isCpuset(hierarchy) ? [`${path}/cpuset.cpus`] : [])),
    controllers,
    writes: [
      ...together,
      ...writes.map(({ controller, file, value }) => ({
        file: `${leafWith(leaves, controller)!.path}/${file}`,
        value,
        optional: false,
      })),
    ],
  };
  return {
    request,
    v1: v1Directories(leaves),
    open: (made) => new OpenCgroup(leaves, warnings, LINUX, made),
    removeParents() {
      for (const { path } of leaves) removeEmptyParents(LINUX.kernel, path, PARENTS, []);
    },
  };
}

function isCpuset({ version, controllers }: Hierarchy): boolean {
  return version === 1 && controllers.includes('cpuset');
}

/** native/cgroup.h: kCgroupStep. */
const STEP = 'make cgroup at once';

/** Whether a launch failed since its cgroup is not as usual. Pure. */
export function isUnusual(error: unknown): boolean {
  return (error as { readonly step?: unknown }).step === STEP;
}
