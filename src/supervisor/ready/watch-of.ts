import type { AppHandle } from '../../host/host.ts';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { Prepared } from '../prepare.ts';
import type { Readiness } from '../state/types.ts';
import { watchReadiness } from './readiness.ts';
import { readinessWorld } from './world.ts';

/**
 * How each start of a prepared daemon is watched: nothing where there is nothing to watch for.
 * @param log one line, without the daemon's name. @returns also whether it has a `ready` condition.
 */
export function watchOf(
  { host, paths, plans, readiness }: Prepared,
  plan: SandboxPlan,
  handle: Pick<AppHandle, 'notify'>,
  log: (line: string) => void,
): { readonly gated: boolean; readonly watch: { readiness?: () => Readiness } } {
  const settings = readiness[plans.indexOf(plan)]!;
  const { ready, health, watchdog } = settings;
  if (ready === undefined && health === undefined && watchdog === undefined) return { gated: false, watch: {} };
  const world = readinessWorld(host, paths, plan, handle, log);
  return { gated: ready !== undefined, watch: { readiness: () => watchReadiness(settings, world) } };
}
