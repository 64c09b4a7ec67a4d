import type { Model } from './model.ts';
import { isOverLimit, stableAfter } from './restart-policy.ts';
import type { DaemonSettings } from './settings.ts';

/**
 * From when on the end of this run will be followed by another start at once, whoever looks at it, as long as nothing else
 * happens to the machine: then the host may begin that start by itself (`immediateEndings` tells after which ends). Undefined:
 * somebody must be asked. Pure.
 * @returns milliseconds of the model's clock.
 */
export function restartsAtOnceFrom(model: Model, { restart }: DaemonSettings, now: number): number | undefined {
  const { phase, executedAt, stableFrom, after, asked, killed, fault, startTimes } = model;
  if (phase !== 'up' || executedAt === undefined || stableFrom === undefined) return undefined;
  if (after !== 'policy' || asked || killed || fault !== undefined || restart.restart === 'no') return undefined;
  // Old starts only go out of the interval: it will not be over the limit later.
  if (isOverLimit(startTimes, now, restart)) return undefined;
  return stableFrom + stableAfter(restart);
}
