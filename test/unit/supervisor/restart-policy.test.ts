import { describe, expect, it } from 'vitest';
import type { Ending } from '../../../src/host/host.ts';
import { decide, exitStatusOf, isFailure, type RestartSettings } from '../../../src/supervisor/restart-policy.ts';

const SETTINGS: RestartSettings = {
  restart: 'on-failure',
  restartSec: 100,
  restartMaxDelaySec: 30_000,
  restartResetSec: 30_000,
  successExitStatus: [],
  restartPreventExitStatus: [],
};
const ending = (changes: Partial<Ending>): Ending => ({
  code: undefined,
  signal: undefined,
  coreDumped: false,
  oomKilled: false,
  sandboxDied: false,
  userTime: 0,
  systemTime: 0,
  maxRss: 0,
  ...changes,
});

describe('restart policy', () => {
  it.each([
    [{ code: 0 }, false],
    [{ code: 1 }, true],
    [{ signal: 15 }, false],
    [{ signal: 9 }, true],
    [{ signal: 11, coreDumped: true }, true],
    [{ signal: 9, oomKilled: true }, true],
    // A child was killed, and the daemon got over it.
    [{ signal: 15, oomKilled: true }, false],
    [{ code: 0, oomKilled: true }, false],
    [{ sandboxDied: true }, true],
  ])('%j is a failure: %s', (end, failed) => {
    expect(isFailure(ending(end), SETTINGS)).toBe(failed);
  });

  it('believes success-exit-status, by number and by signal', () => {
    const settings = { ...SETTINGS, successExitStatus: ['3', 'SIGKILL'] };
    expect(isFailure(ending({ code: 3 }), settings)).toBe(false);
    expect(isFailure(ending({ signal: 9 }), settings)).toBe(false);
    expect(isFailure(ending({ signal: 9, oomKilled: true }), settings)).toBe(true);
    expect(isFailure(ending({ code: 4 }), settings)).toBe(true);
  });

  it('restarts at once after a stable run, then backs off exponentially to the cap', () => {
    const crash = ending({ code: 1 });
    expect(decide(crash, SETTINGS, 0, 30_000, 0)).toEqual({ action: 'restart', delay: 0 });
    const delays = [0, 1, 2, 3, 20].map((failures) => decide(crash, SETTINGS, failures, 10, 0));
    expect(delays).toEqual([100, 200, 400, 800, 30_000].map((delay) => ({ action: 'restart', delay })));
  });

  it('never spins, whatever the settings and the jitter', () => {
    const decision = decide(ending({ code: 1 }), { ...SETTINGS, restartSec: 0 }, 3, 0, 0.99);
    expect(decision).toEqual({ action: 'restart', delay: 10 });
  });

  it('shortens a delay by a quarter at most', () => {
    expect(decide(ending({ code: 1 }), SETTINGS, 0, 0, 0.999999)).toEqual({ action: 'restart', delay: 75 });
  });

  it('ends where nothing is to be restarted', () => {
    expect(decide(ending({ code: 0 }), SETTINGS, 0, 0, 0)).toEqual({ action: 'end', failed: false });
    expect(decide(ending({ code: 1 }), { ...SETTINGS, restart: 'no' }, 0, 0, 0)).toEqual({
      action: 'end',
      failed: true,
    });
    const prevent = { ...SETTINGS, restart: 'always' as const, restartPreventExitStatus: ['7'] };
    expect(decide(ending({ code: 7 }), prevent, 0, 0, 0)).toEqual({ action: 'end', failed: true });
    expect(decide(ending({ code: 0 }), prevent, 0, 0, 0)).toMatchObject({ action: 'restart' });
  });

  it('passes on a status as a shell does', () => {
    expect([{ code: 7 }, { signal: 15 }, { sandboxDied: true }].map((end) => exitStatusOf(ending(end)))).toEqual([
      7, 143, 125,
    ]);
  });
});
