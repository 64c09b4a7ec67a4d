import { describe, expect, it } from 'vitest';
import type { CgroupFacts, CgroupLimits } from '../../../../src/host/host.ts';
import { checkLimits, planLimits } from '../../../../src/host/linux/cgroup/limits.ts';
import { MetactlError } from '../../../../src/util/error.ts';
import { HYBRID, V2 } from './fake-kernel.ts';

const files = (limits: CgroupLimits, facts: CgroupFacts) =>
  planLimits(limits, facts).writes.map(({ file, value }) => `${file}=${value}`);
const reasons = (limits: CgroupLimits, facts: CgroupFacts) =>
  planLimits(limits, facts).unenforceable.map(({ key, reason }) => `${key}: ${reason}`);

describe('planLimits', () => {
  it('writes nothing without limits', () => {
    expect(planLimits({}, HYBRID)).toEqual({ writes: [], unenforceable: [] });
    expect(planLimits({ memoryMax: Number.POSITIVE_INFINITY }, V2)).toEqual({ writes: [], unenforceable: [] });
  });

  it('limits memory on both versions', () => {
    expect(files({ memoryMax: 2 ** 31 }, HYBRID)).toEqual(['memory.limit_in_bytes=2147483648']);
    expect(files({ memoryMax: 2 ** 31 }, V2)).toEqual(['memory.max=2147483648']);
    expect(files({ memoryMax: 1e21 }, V2)).toEqual(['memory.max=1000000000000000000000']);
  });

  it('means swap alone by memory-swap-max, and lowers memory before the sum on v1', () => {
    expect(files({ memorySwapMax: 2 ** 20, memoryMax: 2 ** 25 }, HYBRID)).toEqual([
      'memory.limit_in_bytes=33554432',
      'memory.memsw.limit_in_bytes=34603008',
    ]);
    expect(files({ memorySwapMax: 0, memoryMax: 2 ** 25 }, HYBRID)[1]).toBe('memory.memsw.limit_in_bytes=33554432');
    expect(files({ memorySwapMax: 0 }, V2)).toEqual(['memory.swap.max=0']);
  });

  it('limits CPU time per 100 ms', () => {
    expect(files({ cpuQuota: 1.5 }, HYBRID)).toEqual(['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=150000']);
    expect(files({ cpuQuota: 1.5 }, V2)).toEqual(['cpu.max=150000 100000']);
  });

  it('takes a longer period where the quota would fall below what the kernel accepts', () => {
    expect(files({ cpuQuota: 0.01 }, V2)).toEqual(['cpu.max=1000 100000']);
    expect(files({ cpuQuota: 0.004 }, V2)).toEqual(['cpu.max=1000 250000']);
    expect(files({ cpuQuota: 0.001 }, V2)).toEqual(['cpu.max=1000 1000000']);
    expect(reasons({ cpuQuota: 0.0005 }, V2)).toEqual(['cpu-quota: the kernel knows no quota below 0.1 % of a CPU']);
  });

  it.each([
    [1, '10'],
    [100, '1024'],
    [200, '2048'],
    [10000, '102400'],
  ])('turns cpu-weight %i into %s shares', (weight, shares) => {
    expect(files({ cpuWeight: weight }, HYBRID)).toEqual([`cpu.shares=${shares}`]);
    expect(files({ cpuWeight: weight }, V2)).toEqual([`cpu.weight=${weight}`]);
  });

  it('limits tasks by the same file on both versions', () => {
    expect(files({ tasksMax: 64 }, HYBRID)).toEqual(['pids.max=64']);
    expect(files({ tasksMax: 64 }, V2)).toEqual(['pids.max=64']);
  });

  it.each([
    [1, '1'],
    [100, '100'],
    [10000, '1000'],
    [5050, '550'],
  ])('turns io-weight %i into BFQ weight %s', (weight, bfq) => {
    expect(files({ ioWeight: weight }, HYBRID)).toEqual([`blkio.bfq.weight=${bfq}`]);
    expect(files({ ioWeight: weight }, { ...V2, ioWeightFile: 'io.bfq.weight' })).toEqual([`io.bfq.weight=${bfq}`]);
    expect(files({ ioWeight: weight }, V2)).toEqual([`io.weight=default ${weight}`]);
  });

  it('has memory-high on v2 only', () => {
    expect(files({ memoryHigh: 4096 }, V2)).toEqual(['memory.high=4096']);
    expect(reasons({ memoryHigh: 4096 }, HYBRID)).toEqual(['memory-high: cgroup v1 has no such limit']);
  });

  it('names what a machine lacks', () => {
    const noBfq = { ...HYBRID, ioWeight: false };
    expect(reasons({ ioWeight: 50 }, noBfq)).toEqual([
      'io-weight: on cgroup v1 only the BFQ scheduler obeys weights, and no block device uses it',
    ]);
    expect(reasons({ ioWeight: 50 }, { ...V2, ioWeight: false })).toEqual([
      'io-weight: no block device uses the BFQ scheduler or has io.cost switched on',
    ]);
    expect(reasons({ memorySwapMax: 0, memoryMax: 4096 }, { ...HYBRID, swapAccounting: false })).toEqual([
      'memory-swap-max: the kernel does not account swap (it was started with swapaccount=0 or without CONFIG_SWAP)',
    ]);
    expect(reasons({ memorySwapMax: 0 }, HYBRID)).toEqual([
      'memory-swap-max: cgroup v1 limits swap only together with memory, and memory-max is not set',
    ]);
    expect(reasons({ cpuWeight: 0, ioWeight: 10001 }, HYBRID)).toEqual([
      'cpu-weight: weights go from 1 to 10000',
      'io-weight: weights go from 1 to 10000',
    ]);
  });

  it('has a reason for every limit where there are no controllers', () => {
    const all = { memoryMax: 1, memoryHigh: 1, memorySwapMax: 1, cpuQuota: 1, cpuWeight: 1, tasksMax: 1, ioWeight: 1 };
    expect(reasons(all, { controllers: {}, unified: undefined, swapAccounting: false, ioWeight: false })).toEqual([
      'memory-max: this machine has no memory controller',
      'memory-swap-max: this machine has no memory controller',
      'memory-high: this machine has no memory controller',
      'cpu-quota: this machine has no cpu controller',
      'cpu-weight: this machine has no cpu controller',
      'tasks-max: this machine has no pids controller',
      'io-weight: this machine has no io controller',
    ]);
    expect(reasons({ tasksMax: 5 }, { ...V2, permitted: false })).toEqual(['tasks-max: only root can make cgroups']);
  });
});

describe('checkLimits', () => {
  const limits = { memoryHigh: 4096, ioWeight: 50, memoryMax: 8192 };
  const facts = { ...HYBRID, ioWeight: false };

  it('refuses all that can not be enforced at once', () => {
    const error = (() => {
      try {
        checkLimits(limits, facts, false);
      } catch (caught) {
        return caught;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(MetactlError);
    expect(error).toMatchObject({
      message:
        "can't enforce memory-high (cgroup v1 has no such limit), io-weight (on cgroup v1 only the BFQ scheduler obeys weights, and no block device uses it)",
      code: 'METACTL_LIMIT_UNENFORCEABLE',
      exitStatus: 78,
      hint: 'remove the limit, or set `[sandbox] best-effort = yes` in the node file to start without it',
      details: { unenforceable: [{ key: 'memory-high' }, { key: 'io-weight' }] },
    });
  });

  it('warns instead with best effort', () => {
    expect(checkLimits(limits, facts, true)).toEqual([
      'memory-high is not enforced: cgroup v1 has no such limit',
      'io-weight is not enforced: on cgroup v1 only the BFQ scheduler obeys weights, and no block device uses it',
    ]);
  });

  it('is silent where everything can be enforced', () => {
    expect(checkLimits({ memoryHigh: 4096, ioWeight: 50 }, V2, false)).toEqual([]);
  });
});
