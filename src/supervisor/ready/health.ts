import { setTimeout as sleep } from 'node:timers/promises';
import type { Inside } from './inside.ts';
import { ask } from './probe.ts';
import type { HealthSettings } from './settings.ts';

export interface HealthWatch {
  /** Failures in a row until now; kept up to date. */
  failures: number;
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
  watch: HealthWatch,
  end: AbortSignal,
): Promise<void> {
  while (!end.aborted) {
    await sleep(interval, undefined, { signal: end, ref: false }).catch(() => {});
    if (end.aborted) return;
    const problem = await ask(inside, probe, timeout, end);
    if (end.aborted) return;
    if (problem === undefined) {
      if (watch.failures >= threshold) watch.well();
      watch.failures = 0;
    } else if (watch.uptime() >= grace && ++watch.failures === threshold) watch.unwell(problem);
  }
}
