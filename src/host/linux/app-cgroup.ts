import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { AppRequest, CgroupFacts } from '../host.ts';
import { type DaemonCgroup, makeDaemonCgroup, planCgroup } from './cgroup/index.ts';
import { treeName } from './cgroup/tree.ts';
import { isLaunchedOtherwise, type LaunchHandles, launchSoon } from './launch.ts';
import type { LaunchedSandbox } from './watch.ts';

/** What a launch has to do with a cgroup. */
export type LaunchCgroup = Pick<DaemonCgroup, 'tasks' | 'directory' | 'v1' | 'oomKills'>;

/** The end of the daemon's cgroup path, in every hierarchy. */
export function cgroupSuffix({ paths, app, daemon }: AppRequest): string {
  return `/${treeName(paths)}/${app}/${daemon}`;
}

/** Of the daemon that is asked for. @throws MetactlError as `makeDaemonCgroup`. */
export function makeCgroup(
  { paths, app, daemon }: AppRequest,
  { limits, bestEffort }: Pick<SandboxPlan, 'limits' | 'bestEffort'>,
  facts: CgroupFacts,
): DaemonCgroup {
  return makeDaemonCgroup(paths, app, daemon, limits, facts, bestEffort);
}

export interface LaunchedWithCgroup {
  readonly sandbox: LaunchedSandbox;
  readonly cgroup: DaemonCgroup;
}

/**
 * Launches as `launchSoon`, beside other launches, and makes the daemon's cgroup there too: making it takes as long as a launch.
 * @returns undefined where it can't be done so, and nothing was left; `makeCgroup` and `launch` do it, or tell why not.
 */
export async function launchWithCgroup(
  { paths, app, daemon }: AppRequest,
  plan: SandboxPlan,
  facts: CgroupFacts,
  handlesOf: (cgroup: LaunchCgroup) => LaunchHandles,
): Promise<LaunchedWithCgroup | undefined> {
  const planned = planCgroup(paths, app, daemon, plan.limits, facts, plan.bestEffort);
  if (planned === undefined) return undefined;
  let cgroup: DaemonCgroup | undefined;
  const { v1, request } = planned;
  const handles = handlesOf({ tasks: [], directory: undefined, v1, oomKills: () => cgroup?.oomKills() ?? 0 });
  try {
    const { sandbox, made } = await launchSoon(plan, handles, request);
    cgroup = planned.open(made!);
    return { sandbox, cgroup };
  } catch (error) {
    if (isLaunchedOtherwise(error)) return undefined;
    planned.removeParents();
    throw error;
  }
}
