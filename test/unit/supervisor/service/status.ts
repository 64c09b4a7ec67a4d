import type { DaemonStatus, LastExit } from '../../../../src/supervisor/state/types.ts';

type Changes = Partial<Omit<DaemonStatus, 'lastExit'>> & { readonly lastExit?: string };

const EXIT: Omit<LastExit, 'cause'> = {
  ending: {
    code: 3,
    signal: undefined,
    coreDumped: false,
    oomKilled: false,
    sandboxDied: false,
    userTime: 0,
    systemTime: 0,
    maxRss: 0,
  },
  status: 3,
  failed: true,
  killedFor: undefined,
  uptime: 5,
  at: 0,
};

/** A daemon's status; `lastExit` is its cause. */
export function daemonStatus({ lastExit, ...changes }: Changes): DaemonStatus {
  const state = changes.state ?? 'ready';
  return {
    app: 'shop',
    daemon: 'web',
    state,
    since: 0,
    age: 0,
    ready: ['ready', 'running', 'degraded', 'reloading'].includes(state),
    unwell: state === 'degraded',
    pid: undefined,
    uptime: undefined,
    restarts: 0,
    starts: { manual: 1, automatic: 0 },
    lastExit: lastExit === undefined ? undefined : { ...EXIT, cause: lastExit },
    done: false,
    nextRetry: undefined,
    statusText: undefined,
    reason: undefined,
    ...changes,
  };
}
