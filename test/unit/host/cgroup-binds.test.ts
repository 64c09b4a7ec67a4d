import { expect, test } from 'vitest';
import { bindCgroups } from '../../../src/host/linux/cgroup-binds.ts';
import type { MountStep } from '../../../src/sandbox/plan.ts';

const old = (controllers: string): MountStep => ({
  op: 'cgroup',
  target: `/sys/fs/cgroup/${controllers}`,
  version: 1,
  controllers,
  shared: false,
});
const unified: MountStep = { op: 'cgroup', target: '/sys/fs/cgroup', version: 2, controllers: '', shared: false };

test('a v1 cgroup becomes a sealed bind of the daemon’s own directory, found by what its hierarchy is mounted with', () => {
  const own = '/sys/fs/cgroup/cpu,cpuacct/metactl/shop/web';
  expect(bindCgroups([old('cpu,cpuacct'), old('memory')], new Map([['cpu,cpuacct', own]]))).toEqual([
    {
      op: 'bind',
      source: own,
      target: '/sys/fs/cgroup/cpu,cpuacct',
      recursive: false,
      shared: false,
      readOnly: true,
      noSuid: true,
      noDev: true,
      noExec: true,
    },
    old('memory'),
  ]);
});

test('a v2 cgroup, and everything where the daemon has none, is mounted as planned', () => {
  expect(bindCgroups([unified], new Map([['', '/sys/fs/cgroup/x']]))).toEqual([unified]);
  expect(bindCgroups([old('memory')], new Map())).toEqual([old('memory')]);
});
