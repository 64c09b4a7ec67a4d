import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { AppRequest, CgroupFacts } from '../host.ts';
import { type DaemonCgroup, makeDaemonCgroup } from './cgroup/index.ts';
import { treeName } from './cgroup/tree.ts';

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
