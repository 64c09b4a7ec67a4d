/**
 * The words that everything about a supervised daemon is told in: states, events, status. Plain data, no behaviour.
 */
import type { Ending, Sandbox } from '../../host/host.ts';
import type { MetactlError } from '../../util/error.ts';

/**
 * - `disabled`: may not be started until it is enabled again
 * - `starting`: waits for daemons it depends on, is being launched, or has not said yet that it is ready
 * - `ready`: runs, and its `ready` condition has been met
 * - `running`: runs, and has no `ready` condition
 * - `degraded`: runs, but its health probe says it is not well, or it did not say in time that it has reloaded
 * - `reloading`: runs, and reads its configuration anew
 * - `stopping`: was told to end, or says itself that it does
 * - `stopped`: ended well, or as it was told to
 * - `backoff`: ended, and waits for its next start
 * - `failed`: ended badly or never started, and its configuration says not to try again
 * - `maintenance`: gave up: it needs an administrator
 */
export type DaemonState =
  | 'disabled'
  | 'starting'
  | 'ready'
  | 'running'
  | 'degraded'
  | 'reloading'
  | 'stopping'
  | 'stopped'
  | 'backoff'
  | 'failed'
  | 'maintenance';

/** Who wanted a start: an administrator (or the start of the whole app), or the restart policy. */
export type StartCause = 'manual' | 'automatic';

/** How a run ended. */
export interface LastExit {
  readonly ending: Ending;
  /** As a shell would give it: the code, 128 + signal, 125 where the sandbox itself died or could not be made. */
  readonly status: number;
  /** By the daemon's configuration: `success-exit-status` and what ended it. */
  readonly failed: boolean;
  /** Which call the system call filter killed it for, where the kernel tells. */
  readonly killedFor: string | undefined;
  /** In words: `died of SIGKILL`. */
  readonly cause: string;
  /** Milliseconds that the run lasted. */
  readonly uptime: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** One daemon as it is now. */
export interface DaemonStatus {
  readonly app: string;
  readonly daemon: string;
  readonly state: DaemonState;
  /** When it came into this state: milliseconds since the epoch, by the clock as it was then. */
  readonly since: number;
  /** Milliseconds in this state, by a clock that is never set. */
  readonly age: number;
  /** What depends on it as `ready` may start: it runs, and its `ready` condition, if it has one, has been met. */
  readonly ready: boolean;
  /** It is `degraded` because its health probe says so. */
  readonly unwell: boolean;
  /** Host pid of its sandbox's PID 1 (of metactl-init where not sandboxed), while there is one. */
  readonly pid: number | undefined;
  /** Milliseconds that it runs already. */
  readonly uptime: number | undefined;
  /** Starts by the restart policy since the last manual start. */
  readonly restarts: number;
  /** All starts under this supervisor. */
  readonly starts: { readonly manual: number; readonly automatic: number };
  readonly lastExit: LastExit | undefined;
  /** It is `stopped` because it ended by itself, and well: it has done its work. */
  readonly done: boolean;
  /** When it is started next, in state `backoff`: milliseconds since the epoch. */
  readonly nextRetry: number | undefined;
  /** What it says about itself, or what it waits for. Written by the app: escape before it is shown. */
  readonly statusText: string | undefined;
  /** Why it is `failed`, `maintenance`, `degraded` or being stopped without anybody having asked. */
  readonly reason: string | undefined;
}

/** What happens to a daemon, for whoever shows, records or waits for it. */
export type DaemonEvent =
  | { readonly type: 'starting'; readonly cause: StartCause }
  | { readonly type: 'waiting'; readonly daemons: readonly string[] }
  /** Its first instruction is about to run. */
  | { readonly type: 'running'; readonly pid: number }
  | { readonly type: 'ready' }
  | { readonly type: 'degraded'; readonly reason: string }
  | { readonly type: 'reloading' }
  /** `reason`: why, where nobody asked for it (not ready in time, watchdog, health). */
  | { readonly type: 'stopping'; readonly reason: string | undefined }
  /** It did not end in time: a JVM is asked for its threads first. */
  | { readonly type: 'thread-dump' }
  /** `timeout`: it did not end within timeout-stop-sec; else somebody asked for it. */
  | { readonly type: 'killing'; readonly timeout: boolean }
  | { readonly type: 'ended'; readonly exit: LastExit }
  /** `delay` in milliseconds; `restarts` counts from the last manual start, the one to come included. */
  | { readonly type: 'backoff'; readonly delay: number; readonly restarts: number }
  | { readonly type: 'start-failed'; readonly error: Error | MetactlError }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'maintenance'; readonly reason: string }
  | { readonly type: 'status-text'; readonly text: string | undefined };

/** An event with the status that it led to. */
export type DaemonListener = (event: DaemonEvent, status: DaemonStatus) => void;

/** What a readiness watch tells about one start of one daemon. */
export type ReadinessReport =
  /** The `ready` condition is met, or a reload is done. */
  | { readonly type: 'ready' }
  | { readonly type: 'reloading' }
  | { readonly type: 'stopping' }
  | { readonly type: 'status-text'; readonly text: string }
  /** What the health probe says, where that is only to be told (`health.action = alert`): whenever it changes. */
  | { readonly type: 'unwell'; readonly reason: string }
  | { readonly type: 'well' }
  /** Not ready in time, or not well (`health.action = restart`): it is ended as on a stop, and that counts as a failure. */
  | { readonly type: 'failed'; readonly reason: string }
  /** No sign of life within `watchdog-sec`: ended by SIGABRT, and that counts as a failure. */
  | { readonly type: 'watchdog' }
  /** A stop or a reload under way may take so many milliseconds more from now (EXTEND_TIMEOUT_USEC). */
  | { readonly type: 'extend'; readonly milliseconds: number };

/** What the watch of one start knows, as plain data. Times by the clock of the process that it comes from, in ms. */
export interface HandedReadiness {
  readonly ready: boolean;
  readonly reloading: boolean;
  /** Undefined: its first instruction has not run yet. */
  readonly startedAt: number | undefined;
  /** Infinity: none. */
  readonly deadlineAt: number;
  readonly lastProblem: string;
  readonly told: readonly string[];
  readonly watchdog: { readonly time: number | undefined; readonly last: number; readonly counts: boolean };
  /** Failures of the health probe in a row. */
  readonly unwell: number;
  /** Beginnings of lines in which a pattern is looked for. */
  readonly lines: Readonly<Record<'stdout' | 'stderr', string>>;
}

/** Watches one start of one daemon; made anew for each. */
export interface Readiness {
  /** Called when the daemon is launched, before its first instruction: from now on it may report. */
  watch(sandbox: Sandbox, report: (report: ReadinessReport) => void): void;
  /** For a process that takes this one's place. */
  handOver(): HandedReadiness;
  /** The run is over: no report comes after this. */
  close(): void;
}

/** What became of a reload. */
export type Reloaded = 'told' | 'no-signal' | 'not-running';

/** One supervised daemon. No method waits; what they lead to is told by events. */
export interface Daemon {
  readonly app: string;
  readonly name: string;
  status(): DaemonStatus;
  /** By hand: also out of `backoff`, `failed` and `maintenance`; nothing where it runs already. */
  start(): void;
  /** Works at once in every state; a second call does not shorten the first one's timeout, `kill` does. */
  stop(): void;
  /** SIGKILL for everything of it, and no restart. */
  kill(): void;
  /** `stop`, then `start`. */
  restart(): void;
  /** Sends `reload-signal`, where that is set: SIGHUP would end a daemon that does not expect it. */
  reload(): Reloaded;
  /** Hands a signal on to the daemon. @returns false where it does not run. */
  signal(signal: number): boolean;
  /** @returns a function that ends the listening. */
  onEvent(listener: DaemonListener): () => void;
}
