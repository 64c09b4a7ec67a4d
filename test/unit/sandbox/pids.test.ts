import { expect, it } from 'vitest';
import { firstPid, freshFirstPid } from '../../../src/sandbox/pids.ts';

const PID_MAX = 32_768;

it('gives every daemon of an app room for its own pids, and the first one what the kernel gives', () => {
  expect(firstPid(0)).toEqual({});
  expect(firstPid(1)).toEqual({ firstPid: 1002 });
  const pids = Array.from({ length: 30 }, (_, index) => firstPid(index).firstPid ?? 2);
  expect(new Set(pids).size).toBe(30);
  expect(Math.max(...pids)).toBeLessThan(PID_MAX - 1000);
  // An app has no such daemon: as the first.
  expect(firstPid(-1)).toEqual({});
});

it('gives one-off sandboxes pids that no daemon has', () => {
  for (const pid of [2, 999, 1000, 4_194_303]) {
    expect(freshFirstPid(pid)).toBeGreaterThanOrEqual(30_002);
    expect(freshFirstPid(pid)).toBeLessThan(PID_MAX);
  }
});
