import { EXIT, MetactlError, messageLines } from '../../util/error.ts';
import { isStoppedMeanwhile, untilStopped, untilUp } from '../control/outcome.ts';
import type { DaemonStatus } from '../state/types.ts';
import { isAlive } from './app-state.ts';
import type { Unit } from './unit.ts';

/** What a verb is about: an app, or one daemon of it. */
export interface Target {
  readonly app: string;
  readonly daemon: string | undefined;
}

/** What became of the daemons that a verb was about. */
export interface Outcome {
  readonly daemons: readonly { readonly app: string; readonly daemon: string; readonly done: string }[];
}

/** What a verb has begun, and how it is to end. Plain data: another process may wait for it. */
export interface Begun {
  readonly app: string;
  readonly until: 'up' | 'over';
  /** `now`: what can be said of it at once; `done`: what when it has come to an end. */
  readonly daemons: readonly { readonly daemon: string; readonly now: string; readonly done: string }[];
}

export type Instead = (unit: Unit) => Promise<Unit | undefined>;

/** Pure. */
export function outcomeOf({ app, daemons }: Begun, when: 'now' | 'done'): Outcome {
  return { daemons: daemons.map((one) => ({ app, daemon: one.daemon, done: one[when] })) };
}

/**
 * Waits until these are up, or over and everything they held given back. @param isToEnd whether one is still to be stopped.
 * @param instead the unit that a restart by somebody else has put in the place of one that was stopped for it.
 * @throws MetactlError why one is not up; METACTL_STARTED_MEANWHILE, METACTL_GONE.
 */
export async function untilDone(
  units: readonly Unit[],
  until: Begun['until'],
  isToEnd: (unit: Unit) => boolean,
  gone?: AbortSignal,
  instead: Instead = async () => undefined,
): Promise<void> {
  if (until === 'up') await allUp(units, gone, instead);
  else {
    await Promise.all(units.map((unit) => untilStopped(unit.daemon, () => isToEnd(unit), gone)));
    // One that was started again meanwhile is none of ours.
    await Promise.all(units.map((unit) => (isAlive(unit) ? undefined : unit.settle())));
  }
}

/**
 * Waits for all; then throws what the first that failed was refused for, with the others in its message. Once one has failed, those that
 * only wait are waited for no longer than any other takes: what they need may never come.
 */
async function allUp(units: readonly Unit[], gone: AbortSignal | undefined, instead: Instead): Promise<void> {
  const failures: unknown[] = [];
  const left = new Set(units);
  const hopeless = new AbortController();
  const signal = gone === undefined ? hopeless.signal : AbortSignal.any([gone, hopeless.signal]);
  const wait = async (unit: Unit): Promise<void> => {
    try {
      await untilUp(unit.daemon, signal);
    } catch (error) {
      const next = isStoppedMeanwhile(error) ? await instead(unit) : undefined;
      if (next !== undefined && !signal.aborted) {
        left.delete(unit);
        left.add(next);
        return wait(next);
      }
      failures.push(hopeless.signal.aborted && gone?.aborted !== true ? waits(unit.daemon.status()) : error);
    }
    left.delete(unit);
    if (failures.length > 0 && [...left].every((one) => onlyWaits(one.daemon.status()))) hopeless.abort();
  };
  await Promise.all(units.map(wait));
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  const errors = failures.filter((one) => one instanceof MetactlError);
  const status = errors.find(({ exitStatus }) => exitStatus !== EXIT.error)?.exitStatus ?? EXIT.error;
  throw new MetactlError(failures.flatMap(messageLines), {
    code: errors[0]?.code ?? 'METACTL_START_FAILED',
    exitStatus: status,
    ...(errors[0]?.hint === undefined ? {} : { hint: errors[0].hint }),
  });
}

/** For others that it depends on: none of its processes has begun. Pure. */
function onlyWaits({ state, pid, statusText }: DaemonStatus): boolean {
  return state === 'starting' && pid === undefined && statusText !== undefined;
}

function waits({ app, daemon, statusText }: DaemonStatus): MetactlError {
  return new MetactlError(`${app}/${daemon} is not up: it ${statusText ?? 'waits'}`, {
    code: 'METACTL_START_FAILED',
    step: 'wait for the daemon',
    hint: `metactl why ${app} tells more`,
  });
}

export function notRunning({ app, daemon }: Target): MetactlError {
  const what = daemon === undefined ? app : `${app}/${daemon}`;
  return new MetactlError(`${what} is not running`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `start it with \`metactl start ${app}${daemon === undefined ? '' : ` ${daemon}`}\``,
    exitStatus: EXIT.notRunning,
  });
}

export function isEnding(): MetactlError {
  return new MetactlError('the supervisor is ending', {
    code: 'METACTL_ENDING',
    hint: 'try again when it has ended: metactl start starts another',
  });
}
