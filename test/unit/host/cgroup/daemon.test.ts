import { describe, expect, it } from 'vitest';
import type { CgroupFacts, CgroupLimits } from '../../../../src/host/host.ts';
import { makeDaemonCgroup, openDaemonCgroup, removeDaemonCgroup } from '../../../../src/host/linux/cgroup/daemon.ts';
import { pathsFor } from '../../../../src/util/paths.ts';
import { type FakeKernel, FakeProcesses, HYBRID, hybridKernel, V2, v2Kernel } from './fake-kernel.ts';

const paths = pathsFor('/');
const moved = pathsFor('/srv/scratch');

function make(kernel: FakeKernel, facts: CgroupFacts, limits: CgroupLimits = {}, bestEffort = false, daemon = 'web') {
  const processes = new FakeProcesses(kernel);
  return {
    cgroup: makeDaemonCgroup(paths, 'shop', daemon, limits, facts, bestEffort, { kernel, processes }),
    processes,
  };
}

describe('a daemon on v1', () => {
  it('gets a directory in every hierarchy it needs, blkio not among them, and unified', () => {
    const kernel = hybridKernel();
    const { cgroup } = make(kernel, HYBRID);
    expect(cgroup.paths).toEqual([
      '/cg/memory/metactl/shop/web',
      '/cg/cpu,cpuacct/metactl/shop/web',
      '/cg/cpuset/metactl/shop/web',
      '/cg/pids/metactl/shop/web',
      '/cg/unified/metactl/shop/web',
    ]);
    expect(cgroup.tasks.map((fd) => kernel.open.get(fd))).toEqual(
      cgroup.paths.slice(0, -1).map((path) => `${path}/tasks`),
    );
    expect(kernel.open.get(cgroup.directory!)).toBe('/cg/unified/metactl/shop/web');
  });

  it('joins blkio where its I/O is weighted', () => {
    const kernel = hybridKernel();
    expect(make(kernel, HYBRID, { ioWeight: 200 }).cgroup.paths).toContain('/cg/blkio/metactl/shop/web');
    expect(kernel.read('/cg/blkio/metactl/shop/web/blkio.bfq.weight')).toBe('109');
  });

  it('is limited, memory before the sum of memory and swap', () => {
    const kernel = hybridKernel();
    make(kernel, HYBRID, { memorySwapMax: 4096, memoryMax: 8192, cpuQuota: 0.5, cpuWeight: 50, tasksMax: 7 });
    expect(kernel.writes.filter((write) => write.includes('/web/'))).toEqual([
      '/cg/memory/metactl/shop/web/memory.limit_in_bytes=8192',
      '/cg/memory/metactl/shop/web/memory.memsw.limit_in_bytes=12288',
      '/cg/cpu,cpuacct/metactl/shop/web/cpu.cfs_period_us=100000',
      '/cg/cpu,cpuacct/metactl/shop/web/cpu.cfs_quota_us=50000',
      '/cg/cpu,cpuacct/metactl/shop/web/cpu.shares=512',
      '/cg/pids/metactl/shop/web/pids.max=7',
    ]);
  });

  it('counts memory hierarchically on old kernels, and leaves new ones alone', () => {
    const kernel = hybridKernel();
    make(kernel, HYBRID);
    expect(kernel.read('/cg/memory/metactl/memory.use_hierarchy')).toBe('1');
    kernel.writes.length = 0;
    make(kernel, HYBRID, {}, false, 'jobs');
    expect(kernel.writes.filter((write) => write.includes('use_hierarchy'))).toEqual([]);
  });

  it('has CPUs and memory nodes, filled once for all daemons', () => {
    const kernel = hybridKernel();
    make(kernel, HYBRID);
    make(kernel, HYBRID, {}, false, 'jobs');
    for (const daemon of ['web', 'jobs']) {
      expect(kernel.read(`/cg/cpuset/metactl/shop/${daemon}/cpuset.cpus`)?.trim()).toBe('0-1');
      expect(kernel.read(`/cg/cpuset/metactl/shop/${daemon}/cpuset.mems`)?.trim()).toBe('0');
    }
    expect(kernel.writes.filter((write) => write.includes('cpuset.cpus'))).toHaveLength(1);
  });

  it('fills its own cpuset where another daemon made the directories but has not filled them yet', () => {
    const kernel = hybridKernel();
    kernel.mkdir('/cg/cpuset/metactl/other/x');
    make(kernel, HYBRID);
    expect(kernel.read('/cg/cpuset/metactl/shop/web/cpuset.cpus')).toBe('0-1');
    expect(kernel.read('/cg/cpuset/metactl/cgroup.clone_children')).toBe('1');
  });

  it('carries the id of a moved root', () => {
    const kernel = hybridKernel();
    const backends = { kernel, processes: new FakeProcesses(kernel) };
    const cgroup = makeDaemonCgroup(moved, 'shop', 'web', {}, HYBRID, false, backends);
    expect(cgroup.paths[0]).toBe(`/cg/memory/metactl-${moved.nodeId}/shop/web`);
  });

  it('starts with new counters where an earlier run left its directory', () => {
    const kernel = hybridKernel();
    kernel.mkdir('/cg/memory/metactl/shop/web');
    kernel.set('/cg/memory/metactl/shop/web/memory.oom_control', 'oom_kill 3\n');
    expect(make(kernel, HYBRID).cgroup.oomKills()).toBe(0);
  });

  it('refuses a directory that something still runs in', () => {
    const kernel = hybridKernel();
    kernel.mkdir('/cg/pids/metactl/shop/web');
    kernel.set('/cg/pids/metactl/shop/web/cgroup.procs', '41\n42\n');
    expect(() => make(kernel, HYBRID)).toThrow(
      expect.objectContaining({
        message: 'cgroup /cg/pids/metactl/shop/web is in use by the processes 41 42',
        code: 'METACTL_CGROUP_BUSY',
        path: '/cg/pids/metactl/shop/web',
        // Another root's app may have the same name there: nothing is to be ended before one knows.
        hint: expect.stringMatching(/^first find out whose these processes are: /),
      }),
    );
  });

  it('leaves nothing of its own when a step fails', () => {
    const kernel = hybridKernel();
    kernel.onWrite = (path) => {
      if (path.endsWith('pids.max')) throw Object.assign(new Error(), { code: 'EINVAL', errno: -22, syscall: 'write' });
    };
    expect(() => make(kernel, HYBRID, { tasksMax: 7 })).toThrow(
      expect.objectContaining({
        message: "can't set tasks-max to 7 in /cg/pids/metactl/shop/web/pids.max: EINVAL",
        code: 'EINVAL',
        errno: 22,
        syscall: 'write',
        path: '/cg/pids/metactl/shop/web/pids.max',
      }),
    );
    expect([...kernel.files.keys()].filter((path) => path.includes('metactl'))).toEqual([]);
    expect(kernel.open.size).toBe(0);
  });

  it('refuses what can not be enforced before it makes anything', () => {
    const kernel = hybridKernel();
    expect(() => make(kernel, HYBRID, { memoryHigh: 4096 })).toThrow(/^can't enforce memory-high \(cgroup v1/);
    expect([...kernel.files.keys()].filter((path) => path.includes('metactl'))).toEqual([]);
    expect(make(kernel, HYBRID, { memoryHigh: 4096 }, true).cgroup.warnings).toEqual([
      'memory-high is not enforced: cgroup v1 has no such limit',
    ]);
  });

  it('says so where the kernel turns out to lack a file', () => {
    const kernel = hybridKernel();
    kernel.onWrite = (path) => {
      if (path.endsWith('cpu.cfs_period_us')) throw Object.assign(new Error(), { code: 'ENOENT' });
    };
    expect(() => make(kernel, HYBRID, { cpuQuota: 1 })).toThrow(
      expect.objectContaining({
        message: "can't enforce cpu-quota (this kernel has no cpu.cfs_period_us)",
        code: 'METACTL_LIMIT_UNENFORCEABLE',
        exitStatus: 78,
      }),
    );
    expect(make(kernel, HYBRID, { cpuQuota: 1 }, true).cgroup.warnings).toEqual([
      'cpu-quota is not enforced: this kernel has no cpu.cfs_period_us',
    ]);
  });

  it('tells what it uses, and its OOM kills also after its removal', async () => {
    const kernel = hybridKernel();
    const { cgroup } = make(kernel, HYBRID);
    kernel.set('/cg/memory/metactl/shop/web/memory.usage_in_bytes', '4096\n');
    kernel.set('/cg/memory/metactl/shop/web/memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n');
    kernel.set('/cg/cpu,cpuacct/metactl/shop/web/cpuacct.usage', '1500000\n');
    kernel.set('/cg/pids/metactl/shop/web/pids.current', '3\n');
    expect(cgroup.stats()).toEqual({ memory: 4096, cpuUsec: 1500, tasks: 3 });
    expect(cgroup.oomKills()).toBe(2);
    await cgroup.remove();
    expect(cgroup.oomKills()).toBe(2);
    expect(cgroup.stats()).toEqual({ memory: 0, cpuUsec: 0, tasks: 0 });
  });

  it('removes itself and the parents it leaves empty, and nothing else', async () => {
    const kernel = hybridKernel();
    const other = make(kernel, HYBRID, {}, false, 'jobs').cgroup;
    const { cgroup } = make(kernel, HYBRID);
    await cgroup.remove();
    expect([...kernel.files.keys()].filter((path) => path.endsWith('/web'))).toEqual([]);
    expect(kernel.files.has('/cg/pids/metactl/shop/jobs')).toBe(true);
    await other.remove();
    expect([...kernel.files.keys()].filter((path) => path.includes('metactl'))).toEqual([]);
    expect(kernel.open.size).toBe(0);
    await other.remove();
  });

  it('waits for what is still ending inside', async () => {
    const kernel = hybridKernel();
    const { cgroup } = make(kernel, HYBRID);
    kernel.set('/cg/pids/metactl/shop/web/cgroup.procs', '7\n');
    setTimeout(() => kernel.set('/cg/pids/metactl/shop/web/cgroup.procs', ''), 30);
    await cgroup.remove();
    expect(kernel.files.has('/cg/pids/metactl')).toBe(false);
  });

  it('kills at once through the unified tree', () => {
    const kernel = hybridKernel();
    const { cgroup, processes } = make(kernel, HYBRID);
    for (const path of cgroup.paths) kernel.set(`${path}/cgroup.procs`, '7\n8\n');
    kernel.writes.length = 0;
    cgroup.kill();
    expect(kernel.writes).toEqual(['/cg/unified/metactl/shop/web/cgroup.kill=1']);
    expect(processes.killed).toEqual([]);
  });

  it('kills one by one what is not in the unified tree, forks being forbidden first', () => {
    const kernel = hybridKernel();
    const { cgroup, processes } = make(kernel, HYBRID);
    kernel.set('/cg/unified/metactl/shop/web/cgroup.procs', '7\n');
    kernel.set('/cg/memory/metactl/shop/web/cgroup.procs', '7\n8\n');
    cgroup.kill();
    expect(processes.killed).toEqual([8]);
    expect(kernel.read('/cg/pids/metactl/shop/web/pids.max')).toBe('0');
  });

  it('does not signal a process that has left while its pidfd was opened', () => {
    const kernel = hybridKernel();
    const { cgroup, processes } = make(kernel, { ...HYBRID, unified: undefined });
    kernel.set('/cg/memory/metactl/shop/web/cgroup.procs', '7\n8\n');
    processes.open = (pid) => {
      kernel.set('/cg/memory/metactl/shop/web/cgroup.procs', '8\n');
      return pid;
    };
    cgroup.kill();
    expect(processes.killed).toEqual([8]);
  });
});

describe('without cgroups', () => {
  it('is empty for a process that may not make any, and refuses limits', async () => {
    const kernel = hybridKernel();
    const facts = { ...HYBRID, permitted: false };
    const { cgroup } = make(kernel, facts);
    expect(cgroup).toMatchObject({ tasks: [], directory: undefined, paths: [] });
    expect(cgroup.stats()).toEqual({ memory: 0, cpuUsec: 0, tasks: 0 });
    cgroup.kill();
    await cgroup.remove();
    expect(() => make(kernel, facts, { memoryMax: 5 })).toThrow(
      "can't enforce memory-max (only root can make cgroups)",
    );
    expect(kernel.writes).toEqual([]);
  });

  it('says what a read-only mount means', () => {
    const kernel = hybridKernel();
    kernel.mkdir = () => {
      throw Object.assign(new Error(), { code: 'EROFS' });
    };
    expect(() => make(kernel, HYBRID)).toThrow(
      expect.objectContaining({
        message: "can't make cgroup /cg/memory/metactl: EROFS",
        hint: 'the cgroup file system is mounted read-only: metactl runs in a container without cgroups of its own',
      }),
    );
  });
});

describe('openDaemonCgroup', () => {
  it('opens what is there, for a process that joins', () => {
    const kernel = hybridKernel();
    const backends = { kernel, processes: new FakeProcesses(kernel) };
    make(kernel, HYBRID).cgroup.close();
    const joined = openDaemonCgroup(paths, 'shop', 'web', HYBRID, backends);
    expect(joined.tasks).toHaveLength(4);
    expect(joined.paths).toHaveLength(5);
    joined.close();
    joined.close();
    expect(kernel.open.size).toBe(0);
    expect(kernel.files.has('/cg/pids/metactl/shop/web')).toBe(true);
  });

  it('finds a v2 cgroup that a supervisor elsewhere made', () => {
    const kernel = v2Kernel();
    const backends = { kernel, processes: new FakeProcesses(kernel) };
    make(kernel, V2).cgroup.close();
    const joined = openDaemonCgroup(paths, 'shop', 'web', { ...V2, own: '/user.slice/session-1.scope' }, backends);
    expect(joined.paths).toEqual(['/cg/system.slice/metactl.service/metactl/shop/web']);
  });

  it('is an error where the daemon has none', () => {
    const kernel = hybridKernel();
    const backends = { kernel, processes: new FakeProcesses(kernel) };
    expect(() => openDaemonCgroup(paths, 'shop', 'web', HYBRID, backends)).toThrow(
      expect.objectContaining({ message: 'shop web has no cgroup', code: 'METACTL_NO_CGROUP', exitStatus: 3 }),
    );
  });
});

describe('removeDaemonCgroup', () => {
  it('kills and removes what an earlier run left', async () => {
    const kernel = hybridKernel();
    const processes = new FakeProcesses(kernel);
    kernel.mkdir('/cg/pids/metactl/shop/web');
    kernel.set('/cg/pids/metactl/shop/web/cgroup.procs', '41\n');
    await removeDaemonCgroup(paths, 'shop', 'web', HYBRID, { kernel, processes });
    expect(processes.killed).toEqual([41]);
    expect([...kernel.files.keys()].filter((path) => path.includes('metactl'))).toEqual([]);
    await removeDaemonCgroup(paths, 'shop', 'web', HYBRID, { kernel, processes });
  });

  it('takes names only', async () => {
    const kernel = hybridKernel();
    const backends = { kernel, processes: new FakeProcesses(kernel) };
    await expect(removeDaemonCgroup(paths, '..', 'x', HYBRID, backends)).rejects.toThrow('not a name: ..');
    expect(() => makeDaemonCgroup(paths, 'a', 'b/c', {}, HYBRID, false, backends)).toThrow('not a name: b/c');
  });
});
