import { beforeEach, describe, expect, it } from 'vitest';
import type { Model } from '../../../../src/supervisor/state/model.ts';
import { Bench, SETTINGS } from './machine-helper.ts';

/** What a daemon says of itself (sd_notify), and then does not keep. */

const { stop, restart } = SETTINGS;
let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

describe('a daemon that says it stops', () => {
  it('is killed once it has had as long as for a stop, and that is a failure', () => {
    bench.start().run().report({ type: 'stopping' }).pass(29_999);
    expect(bench.kills).toBe(0);
    expect(bench.signals).toEqual([]);
    expect(bench.pass(1).kills).toBe(1);
    const fault = 'said that it stops, and did not end within timeout-stop-sec';
    expect(bench.status).toMatchObject({ state: 'stopping', reason: fault });
    expect(bench.told().slice(-2)).toEqual(['stopping', 'killing']);
    bench.end({ signal: 9 });
    expect(bench.status.lastExit).toMatchObject({ failed: true, cause: `ended (${fault})` });
    // Nobody asked for its end: its policy is asked what follows.
    expect(bench.state).toBe('backoff');
    expect(bench.timers.has('kill')).toBe(false);
  });

  it('is said to be killed, not to have been told to end', () => {
    bench.start().run().report({ type: 'stopping' }).pass(30_000).end({ sandboxDied: true });
    expect(bench.status.lastExit?.cause).toBe(
      'was killed by metactl (said that it stops, and did not end within timeout-stop-sec)',
    );
  });

  it('ends by itself, and its policy decides', () => {
    for (const [policy, state] of [
      ['always', 'backoff'],
      ['on-failure', 'stopped'],
      ['no', 'stopped'],
    ] as const) {
      bench = new Bench({ restart: { ...restart, restart: policy } }).start().run().report({ type: 'stopping' });
      bench.pass(1000).end({ code: 0 });
      expect(bench.state).toBe(state);
      expect(bench.status.lastExit?.failed).toBe(false);
      expect(bench.timers.has('kill')).toBe(false);
    }
  });

  it('gets more time where it asks for it, and a JVM is asked for its threads', () => {
    bench.start().run().report({ type: 'stopping' }).report({ type: 'extend', milliseconds: 50_000 }).pass(49_999);
    expect(bench.kills).toBe(0);
    expect(bench.pass(1).kills).toBe(1);
    bench = new Bench({ stop: { ...stop, threadDump: true } }).start().run().report({ type: 'stopping' });
    expect(bench.pass(29_000).signals).toEqual([3]);
    const patient = new Bench({ stop: { ...stop, timeout: Number.POSITIVE_INFINITY } });
    expect(patient.start().run().report({ type: 'stopping' }).pass(1_000_000).kills).toBe(0);
  });

  it('is not ended anew for what its probe, its readiness or its watchdog says then', () => {
    bench.start().run().report({ type: 'stopping' });
    bench.report({ type: 'failed', reason: 'HTTP 500' }).report({ type: 'watchdog' });
    expect(bench.signals).toEqual([]);
    expect(bench.status.reason).toBeUndefined();
    bench.end({ code: 0 });
    expect(bench.status).toMatchObject({ state: 'stopped', lastExit: { failed: false } });
  });

  it('obeys a stop as ever, which has its whole time, and leaves it what it asked for', () => {
    bench.start().run().report({ type: 'stopping' }).pass(20_000).stop();
    expect(bench.signals).toEqual([15, 18]);
    expect(bench.pass(29_999).kills).toBe(0);
    expect(bench.pass(1).kills).toBe(1);
    expect(bench.end({ signal: 9 }).state).toBe('stopped');
    bench = new Bench().start().run().report({ type: 'stopping' }).report({ type: 'extend', milliseconds: 100_000 });
    expect(bench.stop().pass(99_999).kills).toBe(0);
    expect(bench.pass(1).kills).toBe(1);
  });

  it('is killed as one that is told to stop is, which says what is known of its end', () => {
    bench.start().run().report({ type: 'stopping' }).input({ type: 'kill' }).end({ signal: 9 });
    expect(bench.status).toMatchObject({ state: 'stopped', lastExit: { cause: 'ended' } });
  });
});

describe('a daemon that says it reloads', () => {
  const REASON = 'did not say that its reload ended within 90s';
  const reload = () => bench.start().run().report({ type: 'reloading' });

  it('is not well where it does not say that this is done, until it does', () => {
    expect(reload().pass(89_999).state).toBe('reloading');
    bench.told();
    expect(bench.pass(1).status).toMatchObject({ state: 'degraded', reason: REASON, ready: true, unwell: false });
    expect(bench.signals).toEqual([]);
    expect(bench.report({ type: 'ready' }).status).toMatchObject({ state: 'running', reason: undefined });
    expect(bench.told()).toEqual(['degraded', 'ready']);
    expect(bench.model.overdue).toBeUndefined();
  });

  it('is well where it says so in time', () => {
    reload().report({ type: 'ready' });
    expect(bench.timers.size).toBe(0);
    expect(bench.pass(1_000_000).state).toBe('running');
  });

  it('gets more time where it asks for it, and the whole time with the next reload', () => {
    reload().report({ type: 'extend', milliseconds: 200_000 });
    expect(bench.pass(199_999).state).toBe('reloading');
    expect(bench.pass(1).state).toBe('degraded');
    expect(bench.report({ type: 'reloading' }).status).toMatchObject({ state: 'reloading', reason: undefined });
    expect(bench.pass(89_999).state).toBe('reloading');
    expect(bench.pass(1).state).toBe('degraded');
  });

  it('is given no more than half an hour, or ready.timeout where that is more, by asking', () => {
    for (const [reloadTimeout, longest] of [
      [90_000, 1_800_000],
      [7_200_000, 7_200_000],
    ] as const) {
      bench = new Bench({ reloadTimeout });
      reload();
      const begun = bench.now;
      for (let i = 0; i < 1000 && bench.state === 'reloading'; i++) {
        bench.report({ type: 'extend', milliseconds: 2 ** 31 - 1 }).pass(10_000);
      }
      expect(bench.now - begun).toBe(longest);
    }
  });

  it('has no limit where ready.timeout is infinity', () => {
    bench = new Bench({ reloadTimeout: Number.POSITIVE_INFINITY });
    expect(reload().report({ type: 'extend', milliseconds: 1 }).pass(1e7).state).toBe('reloading');
  });

  it('is not well for its probe first, and for its reload after that', () => {
    reload().report({ type: 'unwell', reason: 'HTTP 500' }).pass(90_000);
    expect(bench.status).toMatchObject({ state: 'degraded', reason: 'HTTP 500', unwell: true });
    expect(bench.report({ type: 'well' }).status).toMatchObject({ state: 'degraded', reason: REASON, unwell: false });
    bench.report({ type: 'unwell', reason: 'HTTP 500' }).report({ type: 'ready' });
    expect(bench.status).toMatchObject({ state: 'degraded', reason: 'HTTP 500', unwell: true });
    expect(bench.report({ type: 'well' }).state).toBe('running');
  });

  it('is forgotten with the run', () => {
    const left = (model: Model) => [model.overdue, bench.timers.has('reload')];
    expect(left(reload().end({ code: 1 }).model)).toEqual([undefined, false]);
    bench = new Bench();
    expect(left(reload().pass(90_000).end({ code: 1 }).pass(1000).run().model)).toEqual([undefined, false]);
    expect(bench.state).toBe('running');
    bench = new Bench();
    expect(left(reload().stop().model)).toEqual([undefined, false]);
  });
});
