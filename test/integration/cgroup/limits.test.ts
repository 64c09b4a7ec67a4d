import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { CgroupLimits } from '../../../src/host/host.ts';
import { type DaemonCgroup, detectCgroups, makeDaemonCgroup } from '../../../src/host/linux/cgroup/index.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { inside, useInside } from './inside.ts';

leakCheck();
useInside();

const paths = pathsFor('/srv/metactl-test-cgroup');
const facts = detectCgroups();
const made: DaemonCgroup[] = [];

function limited(limits: CgroupLimits, daemon = 'web', bestEffort = false): DaemonCgroup {
  const cgroup = makeDaemonCgroup(paths, 'shop', daemon, limits, facts, bestEffort);
  made.push(cgroup);
  return cgroup;
}

afterEach(async () => {
  for (const cgroup of made.splice(0)) {
    cgroup.kill();
    await cgroup.remove();
  }
});

function file(cgroup: DaemonCgroup, name: string): string {
  const path = cgroup.paths.find((one) => one.includes(`/${name.split('.')[0]}`)) ?? '';
  return readFileSync(join(path, name), 'utf8').trim();
}

describe('memory-max', () => {
  it('ends what takes more, within 5 %, and tells that it was for memory', async () => {
    const cgroup = limited({ memoryMax: 32 * 2 ** 20, memorySwapMax: 0 });
    const eater = inside(cgroup, 'eat', '64');
    expect(await eater.ended).toEqual({ code: null, signal: 'SIGKILL' });
    const reached = Number(eater.lines.at(-1));
    console.log(`memory-max 32 MiB: killed after ${reached} MiB`);
    expect(reached).toBeGreaterThanOrEqual(Math.floor(32 * 0.95));
    expect(reached).toBeLessThanOrEqual(32);
    expect(cgroup.oomKills()).toBe(1);
    await cgroup.remove();
    expect(cgroup.oomKills()).toBe(1);
  });

  it('lets be what takes less', async () => {
    const cgroup = limited({ memoryMax: 32 * 2 ** 20 });
    expect(await inside(cgroup, 'eat', '24').ended).toEqual({ code: 0, signal: null });
    expect(cgroup.oomKills()).toBe(0);
  });

  it('does not take another death by SIGKILL for one for memory', async () => {
    const cgroup = limited({ memoryMax: 32 * 2 ** 20 });
    const sleeper = inside(cgroup, 'fork', '1');
    await sleeper.first;
    cgroup.kill();
    expect((await sleeper.ended).signal).toBe('SIGKILL');
    expect(cgroup.oomKills()).toBe(0);
  });

  it('counts swap on its own', () => {
    const cgroup = limited({ memoryMax: 32 * 2 ** 20, memorySwapMax: 16 * 2 ** 20 });
    expect(file(cgroup, 'memory.limit_in_bytes')).toBe(String(32 * 2 ** 20));
    expect(file(cgroup, 'memory.memsw.limit_in_bytes')).toBe(String(48 * 2 ** 20));
  });
});

describe('cpu-quota', () => {
  it('holds two busy processes to a fifth of a CPU, within 5 %', async () => {
    const cgroup = limited({ cpuQuota: 0.2 });
    inside(cgroup, 'burn', '0');
    inside(cgroup, 'burn', '1');
    await sleep(500);
    // From throttling to throttling: whole periods only, whatever else the machine does.
    const periods = () => Number(/^nr_periods (\d+)$/m.exec(file(cgroup, 'cpu.stat'))?.[1]);
    const start = { at: performance.now(), used: cgroup.stats().cpuUsec, periods: periods() };
    await sleep(3000);
    const used = cgroup.stats().cpuUsec - start.used;
    const share = used / ((performance.now() - start.at) * 1000);
    console.log(`cpu-quota 20 %: used ${(share * 100).toFixed(2)} % in ${periods() - start.periods} periods`);
    expect(share).toBeGreaterThan(0.2 * 0.95);
    expect(share).toBeLessThan(0.2 * 1.05);
  });
});

describe('cpu-weight', () => {
  it('shares a contended CPU three to one', async () => {
    const heavy = limited({ cpuWeight: 300 }, 'heavy');
    const light = limited({ cpuWeight: 100 }, 'light');
    inside(heavy, 'burn', '0');
    inside(light, 'burn', '0');
    await sleep(300);
    const start = { heavy: heavy.stats().cpuUsec, light: light.stats().cpuUsec };
    await sleep(2000);
    const ratio = (heavy.stats().cpuUsec - start.heavy) / (light.stats().cpuUsec - start.light);
    console.log(`cpu-weight 300 to 100: ${ratio.toFixed(2)} to 1`);
    expect(ratio).toBeGreaterThan(2.7);
    expect(ratio).toBeLessThan(3.3);
  });
});

describe('tasks-max', () => {
  it('stops forks', async () => {
    const cgroup = limited({ tasksMax: 8 });
    expect(await inside(cgroup, 'fork', '100').first).toBe('7');
    expect(cgroup.stats().tasks).toBe(8);
  });
});

describe('what this kernel lacks', () => {
  const v1 = facts.controllers.memory?.version === 1;

  it('memory-high is an error that names it, or a warning with best effort, or is there', () => {
    if (!v1) {
      expect(file(limited({ memoryHigh: 2 ** 25 }), 'memory.high')).toBe(String(2 ** 25));
      return;
    }
    expect(() => limited({ memoryHigh: 2 ** 25 })).toThrow("can't enforce memory-high (cgroup v1 has no such limit)");
    const { warnings } = limited({ memoryHigh: 2 ** 25 }, 'web', true);
    expect(warnings).toEqual(['memory-high is not enforced: cgroup v1 has no such limit']);
  });

  it('io-weight needs a block device that obeys it', () => {
    const without = { ...facts, ioWeight: false };
    const make = (bestEffort: boolean) => makeDaemonCgroup(paths, 'shop', 'io', { ioWeight: 50 }, without, bestEffort);
    expect(() => make(false)).toThrow(expect.objectContaining({ code: 'METACTL_LIMIT_UNENFORCEABLE', exitStatus: 78 }));
    const cgroup = make(true);
    made.push(cgroup);
    expect(cgroup.warnings).toEqual([expect.stringMatching(/^io-weight is not enforced: .*BFQ/)]);
  });
});
