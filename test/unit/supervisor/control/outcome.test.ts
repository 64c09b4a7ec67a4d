import { describe, expect, it } from 'vitest';
import { untilOver, untilUp } from '../../../../src/supervisor/control/outcome.ts';
import type {
  Daemon,
  DaemonEvent,
  DaemonListener,
  DaemonState,
  DaemonStatus,
} from '../../../../src/supervisor/state/types.ts';
import { MetactlError } from '../../../../src/util/error.ts';

/** A daemon that says what it is told to. */
function fakeDaemon() {
  const listeners = new Set<DaemonListener>();
  let state: DaemonState = 'starting';
  let reason: string | undefined;
  const status = () =>
    ({ app: 'shop', daemon: 'web', state, reason, ready: state === 'ready' || state === 'running' }) as DaemonStatus;
  const daemon = {
    status,
    onEvent(listener: DaemonListener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as Daemon;
  const tell = (next: DaemonState, event: object) => {
    state = next;
    reason = (event as { readonly reason?: string }).reason;
    for (const listener of listeners) listener(event as DaemonEvent, status());
  };
  return { daemon, tell, listeners };
}

const ended = { type: 'ended', exit: { cause: 'ended with status 3' } };

describe('untilUp', () => {
  it('is content with a daemon that runs, at once or later', async () => {
    const { daemon, tell, listeners } = fakeDaemon();
    const wait = untilUp(daemon);
    tell('starting', { type: 'starting', cause: 'manual' });
    tell('running', { type: 'running', pid: 1 });
    await wait;
    await untilUp(daemon);
    expect(listeners.size).toBe(0);
  });

  it('says what a start failed with', async () => {
    const { daemon, tell } = fakeDaemon();
    const wait = untilUp(daemon);
    const error = new MetactlError('no such file', { code: 'ENOENT' });
    tell('failed', { type: 'start-failed', error });
    await expect(wait).rejects.toBe(error);
  });

  it('says that somebody stopped it, whether something of it ran or not', async () => {
    const message = 'shop/web was stopped while it was being started';
    const ran = fakeDaemon();
    const first = untilUp(Object.assign(ran.daemon, { isToEnd: true }));
    ran.tell('stopping', { type: 'stopping' });
    ran.tell('stopping', ended);
    ran.tell('stopped', { type: 'stopped' });
    await expect(first).rejects.toMatchObject({ message, code: 'METACTL_STOPPED_MEANWHILE' });
    const waited = fakeDaemon();
    const second = untilUp(waited.daemon);
    waited.tell('stopped', { type: 'stopped' });
    await expect(second).rejects.toMatchObject({ message });
    const opened = fakeDaemon();
    const third = untilUp(opened.daemon);
    opened.tell('stopped', {
      type: 'start-failed',
      error: new MetactlError('told to stop', { code: 'METACTL_ENDING' }),
    });
    await expect(third).rejects.toMatchObject({ message });
  });

  it('says how it ended, and whether it is started again', async () => {
    const one = fakeDaemon();
    const first = untilUp(one.daemon);
    one.tell('starting', ended);
    one.tell('backoff', { type: 'backoff', delay: 100, restarts: 1 });
    await expect(first).rejects.toMatchObject({
      message: 'shop/web ended with status 3 before it was up; it will be started again',
      code: 'METACTL_START_FAILED',
      hint: 'metactl why shop tells more',
      exitStatus: 1,
    });
    const other = fakeDaemon();
    const second = untilUp(other.daemon);
    other.tell('failed', ended);
    other.tell('failed', { type: 'failed', reason: 'ended with status 3' });
    await expect(second).rejects.toMatchObject({
      message: 'shop/web ended with status 3 before it was up; it is failed',
    });
  });

  it('says so where all is over before it begins to wait', async () => {
    const { daemon, tell, listeners } = fakeDaemon();
    tell('failed', { type: 'failed', reason: 'no log' });
    await expect(untilUp(daemon)).rejects.toMatchObject({
      message: 'shop/web is failed: no log',
      code: 'METACTL_START_FAILED',
    });
    expect(listeners.size).toBe(0);
    tell('stopped', { type: 'stopped' });
    await expect(untilUp(daemon)).rejects.toMatchObject({ message: 'shop/web is stopped' });
  });

  it('says that it was not ready in time: 5', async () => {
    const { daemon, tell } = fakeDaemon();
    const wait = untilUp(daemon);
    tell('stopping', { type: 'stopping', reason: 'not ready within 90s' });
    tell('stopping', { type: 'ended', exit: { cause: 'died of SIGTERM' } });
    tell('backoff', { type: 'backoff', delay: 100, restarts: 1 });
    await expect(wait).rejects.toMatchObject({
      message: 'shop/web was not ready: not ready within 90s',
      code: 'METACTL_NOT_READY',
      hint: 'metactl why shop tells more; [daemon.web] ready.timeout is how long it may take',
      exitStatus: 5,
    });
  });

  it('outlives the end of the run that a restart ends', async () => {
    const { daemon, tell } = fakeDaemon();
    tell('stopping', { type: 'stopping', reason: undefined });
    const wait = untilUp(daemon);
    tell('stopping', ended);
    tell('starting', { type: 'starting', cause: 'manual' });
    tell('ready', { type: 'ready' });
    await wait;
  });

  it('is given up with its client', async () => {
    const { daemon, listeners } = fakeDaemon();
    const gone = new AbortController();
    const wait = untilUp(daemon, gone.signal);
    gone.abort();
    await expect(wait).rejects.toMatchObject({ message: 'the client has gone', code: 'METACTL_GONE' });
    expect(listeners.size).toBe(0);
  });
});

it('untilOver waits until nothing will run by itself', async () => {
  const { daemon, tell } = fakeDaemon();
  let over = false;
  const wait = untilOver(daemon).then(() => {
    over = true;
  });
  tell('backoff', { type: 'backoff', delay: 1, restarts: 1 });
  await Promise.resolve();
  expect(over).toBe(false);
  tell('maintenance', { type: 'maintenance', reason: 'gave up' });
  await wait;
});
