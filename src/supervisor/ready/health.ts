import { setTimeout as sleep } from 'node:timers/promises';
import type { Inside } from './inside.ts';
import { ask } from './probe.ts';
import type { HealthSettings } from './settings.ts';

export interface HealthWatch {
  /** Milliseconds that the daemon runs already. */
  readonly uptime: () => number;
  /** It failed as often as it may: once, until it is well again. */
  readonly unwell: (reason: string) => void;
  readonly well: () => void;
}

/** Asks again and again until `end`. Failures in the time of grace do not count. Never rejects. */
export async function watchHealth(
  inside: Inside,
  { probe, interval, timeout, threshold, grace }: HealthSettings,
  { uptime, unwell, well }: HealthWatch,
  end: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!end.aborted) {
    await sleep(interval, undefined, { signal: end, ref: false }).catch(() => {});
    if (end.aborted) return;
    const problem = await ask(inside, probe, timeout, end);
    if (end.aborted) return;
    if (problem === undefined) {
      if (failures >= threshold) well();
      failures = 0;
    } else if (uptime() >= grace && ++failures === threshold) unwell(problem);
  }
}
