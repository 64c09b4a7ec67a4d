import { EventEmitter, once } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Ending } from '../../../src/host/host.ts';
import type { DaemonCgroup } from '../../../src/host/linux/cgroup/index.ts';
import { LimitedSandbox } from '../../../src/host/linux/limited-sandbox.ts';
import { NextRun } from '../../../src/host/linux/next-run.ts';

const ENDING: Ending = {
  ...{ code: undefined, signal: 9, coreDumped: false, oomKilled: false, sandboxDied: false },
  ...{ userTime: 0, systemTime: 0, maxRss: 0 },
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A sandbox whose metactl-init does not end by itself. @returns also what was done to it, in order. */
function limited(collects: boolean) {
  const done: string[] = [];
  const sandbox = {
    ...{ pid: 4711, stdout: undefined, stderr: undefined, collects },
    signal: (signal: number) => void done.push(`signal ${signal}`),
    kill: () => void done.push('ask'),
  };
  const cgroup = { kill: () => void done.push('sweep') } as Partial<DaemonCgroup> as DaemonCgroup;
  const happens = new EventEmitter();
  const end = async (what: string): Promise<Ending> => (await once(happens, what)) && ENDING;
  const promises = { started: Promise.resolve(), over: end('over'), ended: end('ended') };
  const one = new LimitedSandbox(sandbox, cgroup, new NextRun({ arm: () => {} }), promises);
  return { one, done, is: (what: 'over' | 'ended') => happens.emit(what) };
}

it('a sandbox with a PID namespace is swept at once', () => {
  const { one, done } = limited(false);
  one.kill();
  expect(done).toEqual(['ask', 'sweep']);
});

it('without one its metactl-init has a second to end what it has collected', async () => {
  const { one, done } = limited(true);
  one.kill();
  one.kill();
  await vi.advanceTimersByTimeAsync(999);
  expect(done).toEqual(['ask', 'ask']);
  await vi.advanceTimersByTimeAsync(1);
  expect(done).toEqual(['ask', 'ask', 'sweep', 'signal 9']);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(done).toHaveLength(4);
});

it("nothing is swept once all has ended, nor the cgroup that may be the next one's", async () => {
  const first = limited(true);
  first.one.kill();
  first.is('over');
  first.is('ended');
  await vi.advanceTimersByTimeAsync(2000);
  expect(first.done).toEqual(['ask']);
  expect(vi.getTimerCount()).toBe(0);
  const second = limited(true);
  second.one.kill();
  second.is('over');
  await vi.advanceTimersByTimeAsync(2000);
  expect(second.done).toEqual(['ask', 'signal 9']);
});
