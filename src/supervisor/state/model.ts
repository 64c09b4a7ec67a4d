import type { Ending } from '../../host/host.ts';
import type { DaemonEvent, DaemonState, DaemonStatus, LastExit, ReadinessReport, StartCause } from './types.ts';

/** All that is known of a daemon between two inputs of its state machine. Times are of a clock that is never set, in ms. */
export interface Model {
  readonly state: DaemonState;
  /**
   * What is there of it: `idle` nothing, `waiting` for daemons it depends on, `backoff` a timer, `launching` a sandbox that is
   * being made, `up` a sandbox.
   */
  readonly phase: 'idle' | 'waiting' | 'backoff' | 'launching' | 'up';
  /** When it came into its state. */
  readonly since: number;
  /** The same by the wall clock as it was then: milliseconds since the epoch. */
  readonly sinceWall: number;
  /** Who wanted the present start. */
  readonly cause: StartCause;
  readonly waitsFor: readonly string[];
  readonly pid: number | undefined;
  readonly launchedAt: number;
  /** Its first instruction ran then. */
  readonly executedAt: number | undefined;
  /** It was ready then, or had executed where nothing tells that it is ready. */
  readonly stableFrom: number | undefined;
  /** What follows when this run is over. */
  readonly after: 'policy' | 'stop' | 'start';
  /** It was asked to end. */
  readonly asked: boolean;
  /** The signal to stop with that came before there was a process. */
  readonly pendingSignal: number | undefined;
  readonly killed: boolean;
  /** Why we end it although nobody asked for that: counts as a failure. */
  readonly fault: string | undefined;
  /** Why its health probe is not content with this run, whatever state it is in; where that is only to be told. */
  readonly unwell: string | undefined;
  /** What it told of and did not bring to an end in time: a reload. */
  readonly overdue: string | undefined;
  /** Unstable runs in a row. */
  readonly failures: number;
  /** Automatic starts since the last manual one. */
  readonly restarts: number;
  readonly manualStarts: number;
  readonly automaticStarts: number;
  /** When, those that a start limit counts. */
  readonly startTimes: readonly number[];
  readonly retryAt: number | undefined;
  readonly lastExit: LastExit | undefined;
  /** Its last run ended by itself, and well. */
  readonly done: boolean;
  readonly statusText: string | undefined;
  readonly reason: string | undefined;
}

export type TimerName = 'retry' | 'thread-dump' | 'kill' | 'reload';

/** What happens to the machine. */
export type Input =
  /** `waitFor`: daemons it depends on that are not far enough yet. */
  | { readonly type: 'start'; readonly waitFor: readonly string[] }
  /** What it still waits for, and why that may take long. */
  | { readonly type: 'dependencies'; readonly waitFor: readonly string[]; readonly text?: string }
  /** `signal`: the one that asked metactl to stop. */
  | { readonly type: 'stop'; readonly signal: number | undefined }
  | { readonly type: 'restart'; readonly waitFor: readonly string[] }
  | { readonly type: 'kill' }
  | { readonly type: 'launched'; readonly pid: number }
  | { readonly type: 'executed' }
  /** Nothing of it is left. `status`: of the exit. */
  | { readonly type: 'launch-failed'; readonly error: Error; readonly status: number }
  /** Nothing of it is left that could be in the next one's way. */
  | { readonly type: 'ended'; readonly ending: Ending; readonly killedFor: string | undefined; readonly cause: string }
  | { readonly type: 'report'; readonly report: ReadinessReport }
  | { readonly type: 'timer'; readonly name: TimerName };

/** What the machine wants done, in this order. */
export type Action =
  | { readonly type: 'launch' }
  | { readonly type: 'signal'; readonly signal: number }
  | { readonly type: 'kill' }
  | { readonly type: 'set-timer'; readonly name: TimerName; readonly delay: number }
  /** Where it is set, and would be over before: it is set so. */
  | { readonly type: 'extend-timer'; readonly name: TimerName; readonly delay: number }
  | { readonly type: 'clear-timer'; readonly name: TimerName }
  | { readonly type: 'tell'; readonly event: DaemonEvent };

/** A daemon that was never started. Pure. */
export function newModel(now: number, wall: number): Model {
  return {
    state: 'stopped',
    phase: 'idle',
    since: now,
    sinceWall: wall,
    cause: 'manual',
    waitsFor: [],
    pid: undefined,
    launchedAt: now,
    executedAt: undefined,
    stableFrom: undefined,
    after: 'policy',
    asked: false,
    pendingSignal: undefined,
    killed: false,
    fault: undefined,
    unwell: undefined,
    overdue: undefined,
    failures: 0,
    restarts: 0,
    manualStarts: 0,
    automaticStarts: 0,
    startTimes: [],
    retryAt: undefined,
    lastExit: undefined,
    done: false,
    statusText: undefined,
    reason: undefined,
  };
}

/** States in which it runs and does what it is there for. */
const AT_WORK: readonly DaemonState[] = ['ready', 'running', 'degraded', 'reloading'];

/** The model as others see it. Pure. @param now, wall the two clocks, see `Model`. */
export function statusOf(model: Model, app: string, daemon: string, now: number, wall: number): DaemonStatus {
  const { state, retryAt, executedAt } = model;
  return {
    app,
    daemon,
    state,
    since: model.sinceWall,
    age: now - model.since,
    ready: AT_WORK.includes(state),
    unwell: state === 'degraded' && model.unwell !== undefined,
    pid: model.pid,
    uptime: executedAt === undefined ? undefined : now - executedAt,
    restarts: model.restarts,
    starts: { manual: model.manualStarts, automatic: model.automaticStarts },
    lastExit: model.lastExit,
    done: state === 'stopped' && model.done,
    // By today's wall clock, so that a clock that was set in between does not matter.
    nextRetry: retryAt === undefined ? undefined : Math.round(wall + retryAt - now),
    statusText: model.statusText,
    reason: model.reason,
  };
}

/** One that is to be started anew, with what is remembered of those before it that had its name. Pure. */
export function withHistory(model: Model, { manualStarts, automaticStarts, lastExit }: Model): Model {
  return { ...model, manualStarts, automaticStarts, lastExit };
}

/** The same by a clock that shows so many milliseconds more: a process that takes another one's place has one of its own. Pure. */
export function shiftModel(model: Model, by: number): Model {
  const later = (at: number | undefined) => (at === undefined ? undefined : at + by);
  return {
    ...model,
    since: model.since + by,
    launchedAt: model.launchedAt + by,
    executedAt: later(model.executedAt),
    stableFrom: later(model.stableFrom),
    startTimes: model.startTimes.map((at) => at + by),
    retryAt: later(model.retryAt),
  };
}
