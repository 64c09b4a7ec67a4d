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
 * @throws MetactlError METACTL_NOT_READY (5) where it was ended because it was not ready in time, METACTL_START_FAILED, or what
 * the start itself failed with; METACTL_GONE where `gone` aborts.
 */
export function untilUp(daemon: Daemon, gone?: AbortSignal): Promise<void> {
  let late: string | undefined;
  let cause: string | undefined;
  return follow(daemon, gone, (event, status) => {
    if (event?.type === 'start-failed') return event.error;
    if (isUp(status)) return true;
    if (event?.type === 'stopping' && event.reason !== undefined) late = event.reason;
    if (event?.type === 'ended') cause = event.exit.cause;
    const lost = event?.type === 'backoff' || (event !== undefined && event.type !== 'ended' && isOver(status));
    if (!lost) return false;
    return late === undefined ? endedEarly(status, cause ?? `is ${status.state}`) : notReady(status, late);
  });
}

/** Waits until nothing of a daemon runs and nothing will. */
export function untilOver(daemon: Daemon, gone?: AbortSignal): Promise<void> {
  return follow(daemon, gone, (_event, status) => isOver(status));
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
    const left = () =>
      finish(new MetactlError('the client has gone', { code: 'METACTL_GONE', hint: 'the work goes on without it' }));
    const stop = daemon.onEvent((event, status) => finish(decide(event, status)));
    gone?.addEventListener('abort', left);
    finish(decide(undefined, daemon.status()));
  });
}

function endedEarly({ app, daemon, state }: DaemonStatus, cause: string): MetactlError {
  const then = state === 'backoff' ? '; it will be started again' : `; it is ${state}`;
  return new MetactlError(`${app}/${daemon} ${cause} before it was up${then}`, {
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
