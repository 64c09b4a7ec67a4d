import type { AppHandle, Host } from '../../host/host.ts';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { Paths } from '../../util/paths.ts';
import type { Readiness } from '../state/types.ts';
import { type ReadinessWorld, type ResumedReadiness, watchReadiness } from './readiness.ts';
import type { ReadinessSettings } from './settings.ts';
import { readinessWorld } from './world.ts';

export interface WatchRequest {
  readonly host: Host;
  readonly paths: Paths;
  readonly plan: SandboxPlan;
  readonly settings: ReadinessSettings;
  readonly handle: Pick<AppHandle, 'notify'>;
  /** One line, without the daemon's name. */
  readonly log: ReadinessWorld['log'];
}

/** How each start of a daemon is watched: nothing where there is nothing to watch for. */
export function watchOf({ host, paths, plan, settings, handle, log }: WatchRequest): {
  readiness?: (resumed?: ResumedReadiness) => Readiness;
} {
  const { ready, health, watchdog, store } = settings;
  if (ready === undefined && health === undefined && watchdog === undefined && store === 0) return {};
  const world = readinessWorld(host, paths, plan, handle, log);
  return { readiness: (resumed) => watchReadiness(settings, world, resumed) };
}
