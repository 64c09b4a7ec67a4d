import { constants } from 'node:os';
import type { Ending } from '../host/host.ts';

/** A daemon's restart keys, read (durations in milliseconds). Names follow systemd's directives. */
export interface RestartSettings {
  readonly restart: 'no' | 'on-failure' | 'always';
  readonly restartSec: number;
  readonly restartMaxDelaySec: number;
  /** A run this long is stable: the next restart is immediate and the back-off starts anew. */
  readonly restartResetSec: number;
  readonly successExitStatus: readonly string[];
  readonly restartPreventExitStatus: readonly string[];
}

export type Decision =
  | { readonly action: 'restart'; readonly delay: number }
  | { readonly action: 'end'; readonly failed: boolean };

/** Ends that are no failure: status 0, and the signals of an ordinary stop (systemd's SuccessExitStatus default). */
const CLEAN_SIGNALS: readonly number[] = [1, 2, 13, 15];

const signals: Readonly<Record<string, number>> = constants.signals;

/** True if the ending is named by a list of statuses and signal names (`3 143 SIGUSR1`). Pure. */
export function isListed(ending: Ending, list: readonly string[]): boolean {
  return list.some((word) =>
    ending.code !== undefined
      ? word === String(ending.code)
      : ending.signal !== undefined && signals[word] === ending.signal,
  );
}

const SIGKILL = 9;

/**
 * True if the daemon itself was killed for memory. The kernel counts the kills of all processes in the daemon's cgroup: one
 * that survived the death of a child, and ended otherwise later, did not die of it. Pure.
 */
export function diedOfMemory(ending: Ending): boolean {
  return ending.oomKilled && (ending.signal === SIGKILL || ending.sandboxDied);
}

/** True if the daemon failed, as systemd's Restart=on-failure understands it. Pure. */
export function isFailure(ending: Ending, settings: RestartSettings): boolean {
  if (diedOfMemory(ending) || ending.sandboxDied || ending.coreDumped) return true;
  if (isListed(ending, settings.successExitStatus)) return false;
  if (ending.code !== undefined) return ending.code !== 0;
  return ending.signal === undefined || !CLEAN_SIGNALS.includes(ending.signal);
}

/** Milliseconds: whatever is configured, a daemon that fails at once must not eat a CPU. */
const SHORTEST_DELAY = 10;

/**
 * What to do after an ending. Pure.
 *
 * The first restart after a stable run is immediate; each further one waits twice as long as the last, from restart-sec
 * up to restart-max-delay-sec, with up to a quarter of jitter so that daemons that fell together don't rise together.
 * @param failures Unstable runs in a row before this one.
 * @param uptime Milliseconds this run lasted.
 * @param random 0 ≤ n < 1.
 */
export function decide(
  ending: Ending,
  settings: RestartSettings,
  failures: number,
  uptime: number,
  random: number,
): Decision {
  const failed = isFailure(ending, settings);
  const wanted = settings.restart === 'always' || (settings.restart === 'on-failure' && failed);
  if (!wanted || isListed(ending, settings.restartPreventExitStatus)) return { action: 'end', failed };
  if (uptime >= settings.restartResetSec) return { action: 'restart', delay: 0 };
  const delay = Math.min(settings.restartSec * 2 ** Math.min(failures, 30), settings.restartMaxDelaySec);
  return { action: 'restart', delay: Math.max(SHORTEST_DELAY, Math.round(delay * (1 - random / 4))) };
}

/** The status a shell would report: the code, or 128 + signal; 125 where the sandbox itself died. Pure. */
export function exitStatusOf(ending: Ending): number {
  if (ending.code !== undefined) return ending.code;
  return ending.signal !== undefined ? 128 + ending.signal : 125;
}
