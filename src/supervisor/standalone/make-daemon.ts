import type { Host } from '../../host/host.ts';
import { killedFor } from '../killed-for.ts';
import type { ReadinessWorld } from '../ready/readiness.ts';
import { watchOf } from '../ready/watch-of.ts';
import { SupervisedDaemon } from '../state/supervised.ts';
import type { LazyApp } from './lazy-app.ts';
import type { LazyLog } from './lazy-log.ts';
import type { UnitSpec } from './unit-spec.ts';

/** A daemon in the background. */
export function makeDaemon(
  host: Host,
  { plan, request, settings, readiness, secrets }: UnitSpec,
  handle: LazyApp,
  log: LazyLog,
  tell: ReadinessWorld['log'],
): SupervisedDaemon {
  return new SupervisedDaemon({
    ...{ plan, handle, settings, secrets },
    output: () => log.startOutput(),
    ...watchOf({ host, paths: request.paths, plan, settings: readiness, handle, log: tell }),
    killedFor: (since) => killedFor(host, plan, since),
  });
}
