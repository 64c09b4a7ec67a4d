import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CgroupFacts, CgroupLimits } from '../../../../src/host/host.ts';
import { makeDaemonCgroup } from '../../../../src/host/linux/cgroup/daemon.ts';
import { pathsFor } from '../../../../src/util/paths.ts';
import { type FakeKernel, FakeProcesses, V2, v2Kernel } from './fake-kernel.ts';

const paths = pathsFor('/');

function make(kernel: FakeKernel, facts: CgroupFacts, limits: CgroupLimits = {}, bestEffort = false, daemon = 'web') {
  const processes = new FakeProcesses(kernel);
  return {
    cgroup: makeDaemonCgroup(paths, 'shop', daemon, limits, facts, bestEffort, { kernel, processes }),
    processes,
  };
}

describe('a daemon on v2', () => {
  const leaf = '/cg/system.slice/metactl.service/metactl/shop/web';

  it('lives below the supervisor, which steps aside first', () => {
    const kernel = v2Kernel();
    const { cgroup } = make(kernel, V2, {
      memoryMax: 8192,
      memorySwapMax: 0,
      memoryHigh: 4096,
      cpuQuota: 2,
      ioWeight: 5,
    });
    expect(cgroup.paths).toEqual([leaf]);
    expect(cgroup.tasks).toEqual([]);
    expect(kernel.open.get(cgroup.directory!)).toBe(leaf);
    const base = '/cg/system.slice/metactl.service';
    const handOn = 'cgroup.subtree_control=+memory +cpu +pids +io';
    expect(kernel.writes).toEqual([
      `${base}/metactl-supervisor/cgroup.procs=${process.pid}`,
      `${base}/${handOn}`,
      `${base}/metactl/${handOn}`,
      `${base}/metactl/shop/${handOn}`,
      `${leaf}/memory.oom.group=1`,
      `${leaf}/memory.max=8192`,
      `${leaf}/memory.swap.max=0`,
      `${leaf}/memory.high=4096`,
      `${leaf}/cpu.max=200000 100000`,
      `${leaf}/io.weight=default 5`,
    ]);
  });

  it('does not move the supervisor again', () => {
    const kernel = v2Kernel();
    make(kernel, V2);
    kernel.writes.length = 0;
    make(kernel, V2, {}, false, 'jobs');
    expect(kernel.writes).toEqual([`${dirname(leaf)}/jobs/memory.oom.group=1`]);
  });

  it('never moves a foreign process out of the way', () => {
    const kernel = v2Kernel();
    kernel.set('/cg/system.slice/metactl.service/cgroup.procs', `${process.pid}\n4711\n`);
    expect(() => make(kernel, V2)).toThrow(
      expect.objectContaining({
        message: "cgroup /cg/system.slice/metactl.service can't hand on its controllers: other processes are in it",
        code: 'METACTL_CGROUP_SHARED',
        hint: expect.stringContaining('Delegate=yes'),
      }),
    );
    expect(kernel.read('/cg/system.slice/metactl.service/cgroup.procs')).toBe(`4711\n${process.pid}\n`);
    expect(kernel.exists('/cg/system.slice/metactl.service/metactl-supervisor')).toBe(false);
  });

  it('waits, not for ever, for threads that are not moved because they are ending', () => {
    const base = '/cg/system.slice/metactl.service';
    const busy = (times: number) => {
      const kernel = v2Kernel();
      let left = times;
      kernel.onWrite = (path) => {
        if (path === `${base}/cgroup.subtree_control` && left-- > 0)
          throw Object.assign(new Error(), { code: 'EBUSY' });
      };
      return kernel;
    };
    const kernel = busy(4);
    make(kernel, V2);
    expect(kernel.paused).toBe(15);
    expect(kernel.read(`${base}/cgroup.subtree_control`)).toContain('memory');
    const stuck = busy(Number.POSITIVE_INFINITY);
    expect(() => make(stuck, V2)).toThrow(expect.objectContaining({ code: 'METACTL_CGROUP_SHARED' }));
    expect(stuck.paused).toBe(1000);
  });

  it('does without kernels that kill one process only (before 4.19)', () => {
    const kernel = v2Kernel();
    kernel.onWrite = (path) => {
      if (path.endsWith('memory.oom.group')) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    };
    expect(make(kernel, V2).cgroup.warnings).toEqual([]);
  });

  it('tells what it uses', () => {
    const kernel = v2Kernel();
    const { cgroup } = make(kernel, V2);
    kernel.set(`${leaf}/memory.current`, '4096\n');
    kernel.set(`${leaf}/memory.events`, 'low 0\noom 9\noom_kill 1\noom_group_kill 5\n');
    kernel.set(`${leaf}/cpu.stat`, 'usage_usec 77\nuser_usec 70\n');
    kernel.set(`${leaf}/pids.current`, '2\n');
    expect(cgroup.stats()).toEqual({ memory: 4096, cpuUsec: 77, tasks: 2 });
    expect(cgroup.oomKills()).toBe(1);
  });

  it('is removed up to the supervisor', async () => {
    const kernel = v2Kernel();
    await make(kernel, V2).cgroup.remove();
    expect([...kernel.files.keys()]).toEqual([
      '/cg',
      '/cg/system.slice',
      '/cg/system.slice/metactl.service',
      '/cg/system.slice/metactl.service/metactl-supervisor',
    ]);
  });
});
