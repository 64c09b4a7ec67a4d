import { beforeEach, describe, expect, it } from 'vitest';
import { Bench, SETTINGS } from './machine-helper.ts';

const { restart, stop } = SETTINGS;
let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

describe('starting', () => {
  it('is running once executed where nothing tells that it is ready', () => {
    bench.start();
    expect(bench.status).toMatchObject({ state: 'starting', ready: false, pid: undefined, uptime: undefined });
    bench.run().pass(50);
    expect(bench.status).toMatchObject({ state: 'running', ready: true, pid: 77, uptime: 50, age: 50 });
    expect(bench.told()).toEqual(['starting', 'running']);
  });

  it('is starting until it is ready, in whichever order the two are heard of', () => {
    bench = new Bench({ gated: true }).start().run();
    expect(bench.status).toMatchObject({ state: 'starting', ready: false, uptime: 0 });
    bench.report({ type: 'ready' });
    expect(bench.status).toMatchObject({ state: 'ready', ready: true });
    expect(bench.told()).toEqual(['starting', 'running', 'ready']);
    bench = new Bench({ gated: true }).start().input({ type: 'launched', pid: 7 });
    bench.report({ type: 'ready' }).input({ type: 'executed' });
    expect(bench.state).toBe('ready');
    expect(bench.told()).toEqual(['starting', 'running', 'ready']);
  });

  it('waits for others first', () => {
    bench.input({ type: 'start', waitFor: ['db', 'queue'] });
    expect(bench.status).toMatchObject({ state: 'starting', statusText: 'waits for db and queue', pid: undefined });
    bench.input({ type: 'dependencies', waitFor: ['queue'] }).input({ type: 'dependencies', waitFor: ['queue'] });
    expect(bench.launches).toEqual([]);
    bench.input({ type: 'dependencies', waitFor: [] });
    expect(bench.launches).toHaveLength(1);
    expect(bench.told()).toEqual(['waiting', 'waiting', 'starting']);
  });

  it('by hand that can’t be is failed; by the policy it is tried again', () => {
    const error = new Error('no such file');
    bench.start().input({ type: 'launch-failed', error, status: 127 });
    expect(bench.status).toMatchObject({
      state: 'failed',
      reason: 'no such file',
      lastExit: { status: 127, failed: true },
    });
    expect(bench.told()).toEqual(['starting', 'start-failed', 'failed']);
    bench.start().run().end().pass(100).input({ type: 'launch-failed', error, status: 127 });
    expect(bench.status).toMatchObject({ state: 'backoff', restarts: 1 });
  });

  it('of a unit that can’t be for now goes by the policy, the first time; what is configured wrong does not', () => {
    const failed = (status: number) => ({ type: 'launch-failed', error: new Error('no device'), status }) as const;
    bench = new Bench({}, true).start().input(failed(125));
    expect(bench.status).toMatchObject({ state: 'backoff', nextRetry: bench.wall + 100 });
    expect(bench.pass(100).input(failed(125)).status).toMatchObject({ state: 'backoff', nextRetry: bench.wall + 200 });
    expect(bench.start().input(failed(125)).state).toBe('failed');
    for (const status of [78, 77, 126, 127]) {
      bench = new Bench({}, true).start().input(failed(status));
      expect(bench.state).toBe('failed');
    }
    bench = new Bench({ restart: { ...restart, restart: 'no' } }, true).start().input(failed(125));
    expect(bench.status).toMatchObject({ state: 'failed', reason: 'no device' });
  });
});

describe('restarts', () => {
  it('backs off, tells when the next start is, and starts', () => {
    bench.start().run().end();
    expect(bench.status).toMatchObject({ state: 'backoff', nextRetry: bench.wall + 100, restarts: 0 });
    bench.pass(99);
    expect(bench.launches).toHaveLength(1);
    bench.pass(1);
    expect(bench.launches).toHaveLength(2);
    expect(bench.run().status).toMatchObject({ state: 'running', restarts: 1, starts: { manual: 1, automatic: 1 } });
  });

  it('is at once after a stable run, and only then', () => {
    bench.start().run().pass(30_000).end();
    expect(bench.launches).toHaveLength(2);
    expect(bench.state).toBe('starting');
    // The second failure in a row: once doubled.
    bench.run().pass(29_999).end();
    expect(bench.status.nextRetry).toBe(bench.wall + 200);
    bench.pass(200).run().pass(30_000).end();
    expect(bench.launches).toHaveLength(4);
    bench.run().end();
    expect(bench.status.nextRetry).toBe(bench.wall + 200);
  });

  it('does not take a run for stable that was never ready, or that we had to end', () => {
    bench = new Bench({ gated: true }).start().run().pass(90_000).report({ type: 'failed', reason: 'not ready' });
    expect(bench.status).toMatchObject({ state: 'stopping', reason: 'not ready' });
    bench.end({ code: 0 });
    expect(bench.status).toMatchObject({ state: 'backoff', nextRetry: bench.wall + 100, lastExit: { failed: true } });
    bench = new Bench().start().run().pass(90_000).report({ type: 'watchdog' }).end({ signal: 6 });
    expect(bench.signals).toEqual([6, 18]);
    expect(bench.state).toBe('backoff');
  });

  it('gives up after start-limit-burst restarts, of which those by hand are none', () => {
    bench = new Bench({ restart: { ...restart, startLimitBurst: 3 } }).start();
    for (let i = 0; i < 3; i++) bench.run().end().pass(1000);
    expect(bench.run().end().status).toMatchObject({
      state: 'maintenance',
      reason: 'started again 3 times within 10min, and ended each time',
      nextRetry: undefined,
      restarts: 3,
    });
    bench.pass(1e9);
    expect(bench.launches).toHaveLength(4);
    for (let i = 0; i < 10; i++) bench.start().run().stop().end({ signal: 15 });
    bench.start().run().end();
    expect(bench.status).toMatchObject({ state: 'backoff', starts: { manual: 12, automatic: 3 } });
  });

  it('counts only the restarts within start-limit-interval-sec', () => {
    bench = new Bench({ restart: { ...restart, startLimitBurst: 2, startLimitIntervalSec: 10_000 } }).start();
    for (let i = 0; i < 50; i++) bench.run().pass(10_000).end().pass(30_000);
    expect(bench.launches).toHaveLength(51);
    expect(bench.model.startTimes.length).toBeLessThanOrEqual(2);
  });

  it('is in maintenance after an exit status that says it is for good, failed where there are no restarts', () => {
    bench = new Bench({ restart: { ...restart, restartPreventExitStatus: ['78'] } }).start().run().end({ code: 78 });
    expect(bench.status).toMatchObject({
      state: 'maintenance',
      reason: 'ended, which is in restart-prevent-exit-status',
    });
    bench = new Bench({ restart: { ...restart, restart: 'no' } }).start().run().end({ code: 3 });
    expect(bench.status).toMatchObject({ state: 'failed', reason: 'ended' });
    bench = new Bench().start().run().end({ code: 0 });
    expect(bench.status).toMatchObject({ state: 'stopped', reason: undefined });
  });

  it('shows the right next retry after somebody has set the clock', () => {
    bench.start().run().end();
    bench.wallShift = 3_600_000;
    expect(bench.status).toMatchObject({ nextRetry: bench.wall + 100, age: 0 });
    bench.wallShift = -3_600_000;
    bench.pass(60);
    expect(bench.status).toMatchObject({ nextRetry: bench.wall + 40, age: 60 });
    bench.pass(40);
    expect(bench.launches).toHaveLength(2);
  });
});

describe('stopping', () => {
  it('asks, waits, kills, and kills again what is still there', () => {
    bench.start().run().told();
    bench.stop();
    expect(bench.signals).toEqual([15, 18]);
    bench.pass(29_999);
    expect(bench.kills).toBe(0);
    bench.pass(1);
    expect(bench.kills).toBe(1);
    bench.pass(5000);
    expect(bench.kills).toBe(2);
    bench.end({ signal: 9 });
    expect(bench.state).toBe('stopped');
    expect(bench.timers.size).toBe(0);
    expect(bench.told()).toEqual(['stopping', 'killing', 'killing', 'ended', 'stopped']);
  });

  it('asks a JVM for its threads a second before, or at three quarters of a short time', () => {
    bench = new Bench({ stop: { ...stop, threadDump: true } }).start().run().stop().pass(28_999);
    expect(bench.signals).toEqual([15, 18]);
    bench.pass(1);
    expect(bench.signals).toEqual([15, 18, 3]);
    expect(bench.pass(1000).kills).toBe(1);
    bench = new Bench({ stop: { ...stop, threadDump: true, timeout: 400 } }).start().run().stop().pass(300);
    expect(bench.signals).toEqual([15, 18, 3]);
    expect(bench.pass(100).kills).toBe(1);
  });

  it('hands on the signal that metactl got, unless kill-signal is set', () => {
    expect(bench.start().run().input({ type: 'stop', signal: 2 }).signals).toEqual([2, 18]);
    bench = new Bench({ stop: { ...stop, killSignal: 10 } }).start().run().input({ type: 'stop', signal: 2 });
    expect(bench.signals).toEqual([10, 18]);
  });

  it('never kills where timeout-stop-sec is infinity', () => {
    bench = new Bench({ stop: { ...stop, timeout: Number.POSITIVE_INFINITY } }).start().run().stop();
    expect(bench.timers.size).toBe(0);
  });

  it('works at once in every state', () => {
    expect(bench.stop().told()).toEqual([]);
    expect(bench.input({ type: 'start', waitFor: ['db'] }).stop().state).toBe('stopped');
    bench.input({ type: 'dependencies', waitFor: [] });
    expect(bench.launches).toEqual([]);
    bench.start().stop();
    expect(bench.state).toBe('stopping');
    bench.input({ type: 'launched', pid: 7 });
    expect(bench.signals).toEqual([15, 18]);
    expect(bench.input({ type: 'executed' }).state).toBe('stopping');
    expect(bench.end({ signal: 15 }).state).toBe('stopped');
    bench.start().run().end();
    expect(bench.stop().status).toMatchObject({ state: 'stopped', nextRetry: undefined });
    expect(bench.timers.size).toBe(0);
    bench.start().input({ type: 'launch-failed', error: new Error('x'), status: 125 });
    expect(bench.stop().state).toBe('stopped');
    bench
      .start()
      .stop()
      .input({ type: 'launch-failed', error: new Error('x'), status: 125 });
    expect(bench.state).toBe('stopped');
  });

  it('does not start again after a stop, also where the end was a failure', () => {
    bench.start().run().stop().end({ code: 1 }).pass(1e6);
    expect(bench.launches).toHaveLength(1);
    expect(bench.state).toBe('stopped');
    bench.start().run().report({ type: 'failed', reason: 'not well' }).stop().end({ code: 1 }).pass(1e6);
    expect(bench.launches).toHaveLength(2);
  });

  it('says of what it had to end why', () => {
    bench.start().run().report({ type: 'failed', reason: 'not well' }).end({ signal: 15 });
    expect(bench.model.lastExit?.cause).toBe('ended (not well)');
  });

  it('says of what it killed that it did', () => {
    bench.start().run().stop().input({ type: 'timer', name: 'kill' }).end({ sandboxDied: true, code: undefined });
    expect(bench.model.lastExit?.cause).toBe('was killed by metactl: it did not end when it was told to');
  });

  it('kills at once on demand, also what is just being launched', () => {
    bench.start().input({ type: 'kill' });
    expect(bench.kills).toBe(0);
    bench.input({ type: 'launched', pid: 7 });
    expect(bench.kills).toBe(1);
    expect(bench.timers.has('kill')).toBe(true);
    expect(bench.end({ signal: 9 }).state).toBe('stopped');
  });

  it('starts again where a start or restart came in between, and stays down where a stop came last', () => {
    bench.start().run().stop().start();
    expect(bench.end({ signal: 15 }).launches).toHaveLength(2);
    expect(bench.run().input({ type: 'restart', waitFor: [] }).end({ signal: 15 }).launches).toHaveLength(3);
    expect(bench.status.starts).toEqual({ manual: 3, automatic: 0 });
    bench.run().input({ type: 'restart', waitFor: [] }).stop().end({ signal: 15 });
    expect(bench.state).toBe('stopped');
  });

  it('gives more time where the daemon asks for it, only while it stops', () => {
    bench.start().run().report({ type: 'extend', milliseconds: 50_000 });
    expect(bench.timers.size).toBe(0);
    bench.stop().report({ type: 'extend', milliseconds: 50_000 }).pass(49_999);
    expect(bench.kills).toBe(0);
    expect(bench.pass(1).kills).toBe(1);
  });

  it('gives at most five minutes by that, or timeout-stop-sec where that is more', () => {
    const drawnOut = (timeout: number) => {
      const one = new Bench({ stop: { ...stop, timeout } }).start().run().stop();
      const begun = one.now;
      for (let asked = 0; one.kills === 0 && asked < 1000; asked += 10) {
        one.report({ type: 'extend', milliseconds: 2 ** 31 - 1 }).report({ type: 'extend', milliseconds: 15_000 });
        one.pass(10_000);
      }
      return one.now - begun;
    };
    expect(drawnOut(30_000)).toBe(300_000);
    expect(drawnOut(600_000)).toBe(600_000);
  });

  it('never has less time for having asked for more', () => {
    bench.start().run().stop().report({ type: 'extend', milliseconds: 1000 });
    const { timeout } = bench.settings.stop;
    expect(bench.pass(timeout - 1).kills).toBe(0);
    expect(bench.pass(1).kills).toBe(1);
  });

  it('is not given a time limit by asking for time where it has none', () => {
    const patient = new Bench({ stop: { ...stop, timeout: Number.POSITIVE_INFINITY } });
    patient.start().run().stop().report({ type: 'extend', milliseconds: 1000 });
    expect(patient.pass(1_000_000).kills).toBe(0);
  });

  it('believes a daemon that says it stops, and decides by how it ends', () => {
    bench.start().run().report({ type: 'stopping' });
    expect(bench.status).toMatchObject({ state: 'stopping', ready: false });
    expect(bench.signals).toEqual([]);
    bench.end({ code: 0 });
    expect(bench.state).toBe('stopped');
  });
});

describe('what it says about itself', () => {
  it('goes through degraded and reloading, and back', () => {
    bench = new Bench({ gated: true }).start().run().report({ type: 'ready' });
    bench.report({ type: 'unwell', reason: 'HTTP 500' });
    expect(bench.status).toMatchObject({ state: 'degraded', reason: 'HTTP 500', ready: true });
    bench.report({ type: 'well' });
    expect(bench.status).toMatchObject({ state: 'ready', reason: undefined });
    expect(bench.report({ type: 'reloading' }).state).toBe('reloading');
    expect(bench.report({ type: 'ready' }).state).toBe('ready');
    bench.report({ type: 'status-text', text: 'busy' });
    expect(bench.status.statusText).toBe('busy');
    expect(bench.end().status.statusText).toBeUndefined();
  });

  it('is as well after a reload as its health probe says', () => {
    const unwell = { type: 'unwell', reason: 'HTTP 500' } as const;
    for (const before of [true, false]) {
      bench = new Bench({ gated: true }).start().run().report({ type: 'ready' });
      bench.told();
      if (before) bench.report(unwell);
      bench.report({ type: 'reloading' });
      if (!before) bench.report(unwell);
      expect(bench.status).toMatchObject({ state: 'reloading', reason: undefined });
      bench.report({ type: 'ready' }).report({ type: 'ready' });
      expect(bench.status).toMatchObject({ state: 'degraded', reason: 'HTTP 500' });
      expect(bench.report({ type: 'well' }).status).toMatchObject({ state: 'ready', reason: undefined });
      expect(bench.told()).toEqual([...(before ? ['degraded'] : []), 'reloading', 'degraded', 'ready']);
    }
    bench.report(unwell).report({ type: 'reloading' }).report({ type: 'well' });
    expect(bench.state).toBe('reloading');
    expect(bench.report({ type: 'ready' }).state).toBe('ready');
    // The next run is another one.
    bench.report(unwell).end({ code: 1 }).pass(100).run().report({ type: 'ready' });
    expect(bench.state).toBe('ready');
  });

  it('is ended while it reloads, too, where it is not well', () => {
    bench.start().run().report({ type: 'reloading' }).report({ type: 'failed', reason: 'HTTP 500' });
    expect(bench.status).toMatchObject({ state: 'stopping', reason: 'HTTP 500' });
    expect(bench.signals).toEqual([15, 18]);
  });

  it('is not believed after its end', () => {
    bench.start().run().end().report({ type: 'ready' });
    expect(bench.state).toBe('backoff');
  });
});
