import { EXIT, MetactlError } from '../../util/error.ts';
import type { Daemon, DaemonEvent, DaemonState, DaemonStatus } from '../state/types.ts';

/** States in which nothing of a daemon runs, nor will by itself. */
const OVER: readonly DaemonState[] = ['disabled', 'stopped', 'failed', 'maintenance'];

/** Pure. */
export function isOver({ state }: Pick<DaemonStatus, 'state'>): boolean {
  return OVER.includes(state);
}

/** True where a start has come to what it was for. Pure. */
export function isUp({ state, ready }: Pick<DaemonStatus, 'state' | 'ready'>): boolean {
  return ready || state === 'running' || state === 'ready' || state === 'degraded';
}

/**
 * Waits until a daemon that was just told to start is up.
 * @throws MetactlError METACTL_NOT_READY (5) where it was ended because it was not ready in time, METACTL_STOPPED_MEANWHILE where
 * somebody stopped it, also for a restart, METACTL_START_FAILED, or what the start itself failed with; METACTL_GONE where `gone` aborts.
 */
export function untilUp(daemon: Daemon & { readonly isToEnd?: boolean }, gone?: AbortSignal): Promise<void> {
  let late: string | undefined;
  let cause: string | undefined;
  let told = false;
  return follow(daemon, gone, (event, status) => {
    if (event?.type === 'start-failed') {
      // It was stopped before anything of it ran.
      const isEnding = (event.error as { code?: string }).code === 'METACTL_ENDING';
      return isEnding ? stoppedMeanwhile(status, 'started') : event.error;
    }
    if (isUp(status)) return true;
    if (event?.type === 'stopping' && event.reason !== undefined) late = event.reason;
    if (event?.type === 'ended') {
      cause = event.exit.cause;
      told = daemon.isToEnd === true;
    }
    // Nothing of it ran yet: it waited for others.
    if (event?.type === 'stopped' && cause === undefined) told = true;
    // It may have come to its end before anybody could listen: a log that can't be opened fails in the turn of the start.
    if (event === undefined) return isOver(status) && alreadyOver(status);
    const lost = event.type === 'backoff' || (event.type !== 'ended' && isOver(status));
    if (!lost) return false;
    if (told) return stoppedMeanwhile(status, 'started');
    return late === undefined ? endedEarly(status, cause ?? `is ${status.state}`) : notReady(status, late);
  });
}

/** Waits until nothing of a daemon runs and nothing will. @throws MetactlError METACTL_GONE where `gone` aborts. */
export function untilOver(daemon: Daemon, gone?: AbortSignal): Promise<void> {
  return follow(daemon, gone, (_event, status) => isOver(status));
}

/** Milliseconds between two looks whether a daemon that is to be stopped still is. */
const LOOK = 100;

/**
 * As `untilOver`, where a start by somebody else may take the stop back, also without an event.
 * @throws MetactlError METACTL_STARTED_MEANWHILE where `isToEnd` no longer holds.
 */
export async function untilStopped(daemon: Daemon, isToEnd: () => boolean, gone?: AbortSignal): Promise<void> {
  let look: NodeJS.Timeout | undefined;
  const takenBack = new Promise<never>((_resolve, reject) => {
    look = setInterval(() => {
      if (!isOver(daemon.status()) && !isToEnd()) reject(startedMeanwhile(daemon));
    }, LOOK);
  });
  try {
    await Promise.race([untilOver(daemon, gone), takenBack]);
  } finally {
    clearInterval(look);
  }
}

/** Asks `decide` now and after each event: true, an error, or false to go on. */
function follow(
  daemon: Daemon,
  gone: AbortSignal | undefined,
  decide: (event: DaemonEvent | undefined, status: DaemonStatus) => boolean | Error,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (result: boolean | Error) => {
      if (result === false) return;
      stop();
      gone?.removeEventListener('abort', left);
      if (result === true) resolve();
      else reject(result);
    };
    const left = () => finish(hasGone());
    const stop = daemon.onEvent((event, status) => finish(decide(event, status)));
    gone?.addEventListener('abort', left);
    finish(decide(undefined, daemon.status()));
  });
}

export function hasGone(): MetactlError {
  return new MetactlError('the client has gone', { code: 'METACTL_GONE', hint: 'the work goes on without it' });
}

function startedMeanwhile({ app, name }: Daemon): MetactlError {
  return new MetactlError(`${app}/${name} was started again while it was being stopped`, {
    code: 'METACTL_STARTED_MEANWHILE',
    hint: 'somebody said `metactl start` meanwhile: stop it again if it is to be stopped',
  });
}

/** A start or restart that a `stop` took back. */
export function stoppedMeanwhile(
  { app, daemon }: { readonly app: string; readonly daemon: string | undefined },
  what: 'started' | 'restarted' = 'restarted',
): MetactlError {
  return new MetactlError(`${daemon === undefined ? app : `${app}/${daemon}`} was stopped while it was being ${what}`, {
    code: 'METACTL_STOPPED_MEANWHILE',
    hint: 'somebody said `metactl stop` meanwhile: nothing was started again',
  });
}

/** Whether it is that error. Pure. */
export function isStoppedMeanwhile(error: unknown): boolean {
  return (error as { code?: string }).code === 'METACTL_STOPPED_MEANWHILE';
}

function endedEarly({ app, daemon, state }: DaemonStatus, cause: string): MetactlError {
  const then = state === 'backoff' ? '; it will be started again' : `; it is ${state}`;
  return new MetactlError(`${app}/${daemon} ${cause} before it was up${then}`, {
    code: 'METACTL_START_FAILED',
    step: 'start the daemon',
    hint: `metactl why ${app} tells more`,
  });
}

function alreadyOver({ app, daemon, state, reason }: DaemonStatus): MetactlError {
  return new MetactlError(`${app}/${daemon} is ${state}${reason === undefined ? '' : `: ${reason}`}`, {
    code: 'METACTL_START_FAILED',
    step: 'start the daemon',
    hint: `metactl why ${app} tells more`,
  });
}

function notReady({ app, daemon }: DaemonStatus, reason: string): MetactlError {
  return new MetactlError(`${app}/${daemon} was not ready: ${reason}`, {
    code: 'METACTL_NOT_READY',
    step: 'wait for the daemon',
    hint: `metactl why ${app} tells more; [daemon.${daemon}] ready.timeout is how long it may take`,
    exitStatus: EXIT.notReady,
  });
}
