import { expect, it } from 'vitest';
import type { FilteredCall, FilteredCallQuery } from '../../../src/host/filtered-call.ts';
import type { SandboxPlan } from '../../../src/sandbox/plan.ts';
import { killedFor } from '../../../src/supervisor/killed-for.ts';

const call = (number: number): FilteredCall => ({
  time: 5,
  pid: 7,
  uid: 70001,
  command: 'x',
  program: '/x',
  audit: 0xc000_003e,
  number,
  action: 'kill',
});

function plan(seccomp: 'default' | 'none') {
  return { identity: { uid: 70001 }, process: { seccomp } } as SandboxPlan;
}

it('is the last call that the user was killed for since the start', async () => {
  const asked: [FilteredCallQuery, number | undefined][] = [];
  const host = (calls: FilteredCall[]) => ({
    filteredCalls: async (query: FilteredCallQuery, patience?: number) => {
      asked.push([query, patience]);
      return calls;
    },
  });
  expect(await killedFor(host([call(1), call(165)]), plan('default'), 4)).toBe('mount');
  expect(await killedFor(host([]), plan('default'), 4)).toBeUndefined();
  expect(asked[0]).toEqual([{ uid: 70001, since: 4, action: 'kill' }, 300]);
  // Without a filter of ours a SIGSYS comes from elsewhere.
  expect(await killedFor(host([call(1)]), plan('none'), 4)).toBeUndefined();
  expect(asked).toHaveLength(2);
  // The kernel's log has the host's ids.
  const inside = { ...plan('default'), identity: { uid: 1000, gid: 1000 }, userNamespace: { first: 2_000_000 } };
  await killedFor(host([]), inside as unknown as SandboxPlan, 4);
  expect(asked[2]![0].uid).toBe(2_001_000);
});

it('is unknown where what reads it is not there any more', async () => {
  const filteredCalls = () => Promise.reject(new Error('a file of metactl is not there'));
  expect(await killedFor({ filteredCalls }, plan('default'), 4)).toBeUndefined();
});
