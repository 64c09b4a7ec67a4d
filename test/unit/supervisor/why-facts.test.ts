import { expect, it } from 'vitest';
import type { StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { callsSince, queriesFor } from '../../../src/supervisor/why-facts.ts';

it('asks for the calls of all users of an app, also of those without processes', () => {
  const running = new Map([
    [0, 5],
    [70_001, 60],
  ]);
  expect(queriesFor(running, { uid: 70_001, named: [33, 0] }, 100)).toEqual([
    { uid: 70_001, uids: 1, startedAt: 60 },
    { uid: 33, uids: 1, startedAt: 100 },
  ]);
  expect(queriesFor(new Map(), { uid: 70_001, named: [] }, 100)).toEqual([{ uid: 70_001, uids: 1, startedAt: 100 }]);
  const inside = new Map([
    [2_000_033, 70],
    [2_001_000, 60],
  ]);
  expect(queriesFor(inside, { ids: 2_000_000, named: [] }, 100)).toEqual([
    { uid: 2_000_000, uids: 65_536, startedAt: 60 },
  ]);
  expect(queriesFor(new Map(), { named: [] }, 100)).toEqual([]);
});

it('looks at earlier lives only while something is down or was started again by itself', () => {
  const running = { pid: 7, since: 0 };
  const status = (restarts: number) => ({ restarts }) as StatusRecord;
  expect(callsSince([{ name: 'main', running }], NOW)).toBeUndefined();
  expect(callsSince([{ name: 'main', running, status: status(0) }], NOW)).toBeUndefined();
  expect(callsSince([{ name: 'main', running, status: status(1) }], NOW)).toBe(NOW - HOUR);
  expect(callsSince([{ name: 'main', running }, { name: 'job' }], NOW)).toBe(NOW - HOUR);
});

it('blames no call that is older than the run that failed', () => {
  const lastExit = (failed: boolean, endedAgo: number, uptimeMs: number) =>
    ({
      status: {
        state: 'failed',
        restarts: 0,
        lastExit: { failed, at: new Date(NOW - endedAgo).toISOString(), uptimeMs },
      },
    }) as unknown as { status: StatusRecord };
  expect(callsSince([{ name: 'main', ...lastExit(true, 60_000, 5000) }], NOW)).toBe(NOW - 66_000);
  // However long ago: nothing has run since.
  expect(callsSince([{ name: 'main', ...lastExit(true, 5 * HOUR, 5000) }], NOW)).toBe(NOW - 5 * HOUR - 6000);
  // It ran for days, and was stopped.
  expect(callsSince([{ name: 'main', ...lastExit(false, 60_000, 50 * HOUR) }], NOW)).toBe(NOW - HOUR);
  // One that has never run ends the look back of none, nor begins one.
  const never = { name: 'job', status: { state: 'stopped', restarts: 0, lastExit: null } as StatusRecord };
  expect(callsSince([never], NOW)).toBeUndefined();
  expect(callsSince([never, { name: 'main', ...lastExit(true, 60_000, 5000) }], NOW)).toBe(NOW - 66_000);
});

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-26T12:00:00Z');
