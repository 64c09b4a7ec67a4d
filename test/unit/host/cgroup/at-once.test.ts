import { describe, expect, it } from 'vitest';
import { isUnusual, planCgroup } from '../../../../src/host/linux/cgroup/at-once.ts';
import { MetactlError } from '../../../../src/util/error.ts';
import { pathsFor } from '../../../../src/util/paths.ts';
import { V2 } from './fake-kernel.ts';

const paths = pathsFor('/');

describe('planCgroup', () => {
  it('asks on v2 for what is handed on, and ends a daemon as a whole', () => {
    const leaf = '/cg/system.slice/metactl.service/metactl/shop/web';
    expect(planCgroup(paths, 'shop', 'web', { memoryMax: 8192, cpuQuota: 2 }, V2, false)?.request).toEqual({
      absent: [],
      v1: [],
      v2: leaf,
      filled: [],
      controllers: ['memory', 'cpu', 'pids'],
      writes: [
        { file: `${leaf}/memory.oom.group`, value: '1', optional: true },
        { file: `${leaf}/memory.max`, value: '8192', optional: false },
        { file: `${leaf}/cpu.max`, value: '200000 100000', optional: false },
      ],
    });
  });

  it('knows v1 by hierarchies, and looks for left-overs where it makes none', () => {
    const v1 = (mount: string, mountedWith: string) => ({ version: 1 as const, mount, mountedWith });
    const facts = {
      ...V2,
      unified: undefined,
      controllers: {
        cpuset: v1('/cg/cpuset', 'cpuset'),
        pids: v1('/cg/pids', 'pids'),
        blkio: v1('/cg/blkio', 'blkio'),
      },
    };
    const planned = planCgroup(paths, 'shop', 'web', {}, facts, false)!;
    expect(planned.request).toEqual({
      absent: ['/cg/blkio/metactl/shop/web'],
      v1: ['/cg/cpuset/metactl/shop/web', '/cg/pids/metactl/shop/web'],
      v2: '',
      filled: ['/cg/cpuset/metactl/shop/web/cpuset.cpus'],
      controllers: [],
      writes: [],
    });
    expect([...planned.v1]).toEqual([
      ['cpuset', '/cg/cpuset/metactl/shop/web'],
      ['pids', '/cg/pids/metactl/shop/web'],
    ]);
  });

  it('makes none where none may be made, and refuses what is not enforced', () => {
    expect(planCgroup(paths, 'shop', 'web', {}, { ...V2, permitted: false }, false)).toBeUndefined();
    expect(() => planCgroup(paths, 'shop', 'web', { tasksMax: 5 }, { ...V2, controllers: {} }, false)).toThrow(
      "can't enforce tasks-max (this machine has no pids controller)",
    );
  });
});

describe('isUnusual', () => {
  it('is said of the step alone', () => {
    const error = (step: string) => new MetactlError('no', { code: 'EEXIST', step });
    expect([error('make cgroup at once'), error('make cgroup'), new Error('no')].map(isUnusual)).toEqual([
      true,
      false,
      false,
    ]);
  });
});
