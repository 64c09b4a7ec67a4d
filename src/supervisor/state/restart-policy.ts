import { constants } from 'node:os';
import type { Ending } from '../../host/host.ts';
import type { RestartSettings } from './settings.ts';

export type Decision =
  /** After so many milliseconds. */
  | { readonly action: 'restart'; readonly delay: number }
  /** `prevented`: its ending says that another start would not help. */
  | { readonly action: 'end'; readonly failed: boolean; readonly prevented: boolean };

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
/** Milliseconds: whatever is configured, a shorter run is not stable. Else restart-reset-sec = 0 would be a loop without pauses. */
const SHORTEST_STABLE = 1000;

/** True if a run was long enough to start anew with counting failures. Pure. */
export function wasStable(stableFor: number, settings: RestartSettings): boolean {
  return stableFor >= stableAfter(settings);
}

/** A run that is over, for the policy. */
export interface FinishedRun {
  readonly ending: Ending;
  /** We ended it because it was not ready in time or not well: a failure, whatever its exit status. */
  readonly fault: boolean;
  /** Milliseconds since it was ready, or had started where nothing tells that it is ready. */
  readonly stableFor: number;
  /** Unstable runs in a row before this one. */
  readonly failures: number;
}

/**
 * What to do after an ending that nobody asked for. Pure.
 *
 * The first restart after a stable run is immediate; each further one waits twice as long as the last, from restart-sec
 * up to restart-max-delay-sec, with up to a quarter of jitter so that daemons that fell together don't rise together.
 * @param random 0 ≤ n < 1.
 */
export function decide(run: FinishedRun, settings: RestartSettings, random: number): Decision {
  const failed = run.fault || isFailure(run.ending, settings);
  const prevented = !run.fault && isListed(run.ending, settings.restartPreventExitStatus);
  const wanted = settings.restart === 'always' || (settings.restart === 'on-failure' && failed);
  if (!wanted || prevented) return { action: 'end', failed, prevented };
  if (wasStable(run.stableFor, settings)) return { action: 'restart', delay: 0 };
  const delay = Math.min(settings.restartSec * 2 ** Math.min(run.failures, 30), settings.restartMaxDelaySec);
  return { action: 'restart', delay: Math.max(SHORTEST_DELAY, Math.round(delay * (1 - random / 4))) };
}

/** Of `Anticipation.endings`: exit statuses, then signals. */
const STATUSES = 256;
const SIGNALS = 65;
const SIGSYS = 31;

/**
 * Ends after which `decide` says to restart at once, where the run was stable and did not leave a core; see Anticipation. Not
 * those after which something has to be found out first: by SIGSYS, which call it was. Pure.
 */
export function immediateEndings(settings: RestartSettings): Uint8Array {
  const endings = new Uint8Array(STATUSES + SIGNALS);
  if (settings.restart === 'no') return endings;
  endings.fill(1);
  const except = (words: readonly string[]) => {
    for (const word of words) {
      const signal = signals[word];
      const index = signal !== undefined ? STATUSES + signal : Number(word);
      if (index < endings.length && (signal !== undefined || index < STATUSES)) endings[index] = 0;
    }
  };
  except(settings.restartPreventExitStatus);
  // No signal has this number.
  endings[STATUSES] = 0;
  endings[STATUSES + SIGSYS] = 0;
  if (settings.restart === 'always') return endings;
  except(settings.successExitStatus);
  endings[0] = 0;
  for (const signal of CLEAN_SIGNALS) endings[STATUSES + signal] = 0;
  return endings;
}

/** Milliseconds that a run must last to be stable. Pure. */
export function stableAfter({ restartResetSec }: RestartSettings): number {
  return Math.max(restartResetSec, SHORTEST_STABLE);
}

/**
 * Whether one more automatic start is one too many. Starts by hand don't count (systemd #10529). Pure.
 * @param starts when automatic starts were made, in milliseconds of the same clock as `now`.
 */
export function isOverLimit(starts: readonly number[], now: number, settings: RestartSettings): boolean {
  const { startLimitBurst, startLimitIntervalSec } = settings;
  return startLimitBurst > 0 && starts.filter((at) => at > now - startLimitIntervalSec).length >= startLimitBurst;
}

/** The status a shell would report: the code, or 128 + signal; 125 where the sandbox itself died. Pure. */
export function exitStatusOf(ending: Ending): number {
  if (ending.code !== undefined) return ending.code;
  return ending.signal !== undefined ? 128 + ending.signal : 125;
}
