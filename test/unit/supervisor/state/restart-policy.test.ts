import { describe, expect, it } from 'vitest';
import type { Ending } from '../../../../src/host/host.ts';
import { decide, exitStatusOf, isFailure, isOverLimit } from '../../../../src/supervisor/state/restart-policy.ts';
import { ending, SETTINGS } from './machine-helper.ts';

const RESTART = SETTINGS.restart;
const run = (end: Partial<Ending>, failures = 0, stableFor = 0) => ({
  ending: ending(end),
  fault: false,
  failures,
  stableFor,
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
    expect(isFailure(ending(end), RESTART)).toBe(failed);
  });

  it('believes success-exit-status, by number and by signal', () => {
    const settings = { ...RESTART, successExitStatus: ['3', 'SIGKILL'] };
    expect(isFailure(ending({ code: 3 }), settings)).toBe(false);
    expect(isFailure(ending({ signal: 9 }), settings)).toBe(false);
    expect(isFailure(ending({ signal: 9, oomKilled: true }), settings)).toBe(true);
    expect(isFailure(ending({ code: 4 }), settings)).toBe(true);
  });

  it('restarts at once after a stable run, then backs off exponentially to the cap', () => {
    expect(decide(run({ code: 1 }, 0, 30_000), RESTART, 0)).toEqual({ action: 'restart', delay: 0 });
    const delays = [0, 1, 2, 3, 20].map((failures) => decide(run({ code: 1 }, failures, 10), RESTART, 0));
    expect(delays).toEqual([100, 200, 400, 800, 30_000].map((delay) => ({ action: 'restart', delay })));
  });

  it('never spins, whatever the settings and the jitter', () => {
    const settings = { ...RESTART, restartSec: 0, restartResetSec: 0, restartMaxDelaySec: 0 };
    expect(decide(run({ code: 1 }, 3, 999), settings, 0.99)).toEqual({ action: 'restart', delay: 10 });
    expect(decide(run({ code: 1 }, 3, 1000), settings, 0.99)).toEqual({ action: 'restart', delay: 0 });
  });

  it('shortens a delay by a quarter at most', () => {
    expect(decide(run({ code: 1 }), RESTART, 0.999999)).toEqual({ action: 'restart', delay: 75 });
  });

  it('ends where nothing is to be restarted', () => {
    const end = { action: 'end', failed: true, prevented: false };
    expect(decide(run({ code: 0 }), RESTART, 0)).toEqual({ ...end, failed: false });
    expect(decide(run({ code: 1 }), { ...RESTART, restart: 'no' }, 0)).toEqual(end);
    const prevent = { ...RESTART, restart: 'always' as const, restartPreventExitStatus: ['7'] };
    expect(decide(run({ code: 7 }), prevent, 0)).toEqual({ ...end, prevented: true });
    expect(decide(run({ code: 0 }), prevent, 0)).toMatchObject({ action: 'restart' });
  });

  it('takes what we ended ourselves for a failure, whatever its status says', () => {
    const prevent = { ...RESTART, restartPreventExitStatus: ['0'] };
    expect(decide({ ...run({ code: 0 }), fault: true }, prevent, 0)).toEqual({ action: 'restart', delay: 100 });
  });

  it('limits starts within the interval', () => {
    const limited = { ...RESTART, startLimitBurst: 2, startLimitIntervalSec: 1000 };
    expect(isOverLimit([100], 1000, limited)).toBe(false);
    expect(isOverLimit([100, 200], 1000, limited)).toBe(true);
    expect(isOverLimit([100, 200], 1100, limited)).toBe(false);
    expect(isOverLimit([100, 200], 1000, RESTART)).toBe(false);
  });

  it('passes on a status as a shell does', () => {
    expect([{ code: 7 }, { signal: 15 }, { sandboxDied: true }].map((end) => exitStatusOf(ending(end)))).toEqual([
      7, 143, 125,
    ]);
  });
});
