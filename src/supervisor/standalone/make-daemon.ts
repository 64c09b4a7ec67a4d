import type { SandboxPlan } from '../../sandbox/plan.ts';
import { killedFor } from '../killed-for.ts';
import type { Prepared } from '../prepare.ts';
import { watchOf } from '../ready/watch-of.ts';
import { daemonSettings } from '../state/settings.ts';
import { SupervisedDaemon } from '../state/supervised.ts';
import type { LazyApp } from './lazy-app.ts';
import type { LazyLog } from './lazy-log.ts';

/** A daemon in the background. */
export function makeDaemon(
  prepared: Prepared,
  plan: SandboxPlan,
  handle: LazyApp,
  log: LazyLog,
  tell: (line: string) => void,
): SupervisedDaemon {
  const { gated, watch } = watchOf(prepared, plan, handle, tell);
  return new SupervisedDaemon({
    plan,
    handle,
    output: () => log.startOutput(),
    settings: daemonSettings(prepared.config, plan.daemon, gated),
    ...watch,
    killedFor: (since) => killedFor(prepared.host, plan, since),
  });
}
