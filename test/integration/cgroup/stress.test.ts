import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { listAppCgroups } from '../../../src/host/linux/cgroup/index.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { Running } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
const start = useScratch((made) => {
  scratch = made;
});

/** Runs stress-ng as the daemon `main` of an app. It is started again when it was killed, in the same cgroup. */
function stress(options: string, limits: string): Running {
  const directory = scratch.appDirectory('app', {});
  const command = `/usr/bin/stress-ng --temp-path /tmp --timeout 60 ${options}`;
  scratch.node(
    'app',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\nrestart = always\ncommand = ${command}\n${limits}\n`,
  );
  return start(['run', 'app']);
}

/** The first of these files that there is in a cgroup of the daemon: v1's name or v2's. */
function read(...names: readonly string[]): string {
  const [app] = listAppCgroups(pathsFor(scratch.root));
  const files = names.flatMap((name) => app!.paths.map((path) => join(path, 'main', name)));
  return readFileSync(files.find((file) => existsSync(file))!, 'utf8').trim();
}

/** ns. */
function cpuUsed(): number {
  const text = read('cpuacct.usage', 'cpu.stat');
  return Number(/^usage_usec (\d+)$/m.exec(text)?.[1] ?? Number(text) / 1000) * 1000;
}

const MIB = 2 ** 20;

describe('stress-ng stays within 5 % of', () => {
  it('cpu-quota', async () => {
    await stress('--cpu 2', 'cpu-quota = 20%').waitFor(/dispatching hogs/);
    await sleep(500);
    // Never more; and as much, in a window in which the rest of the machine leaves it that.
    let most = 0;
    for (let window = 0; window < 8 && most < 0.2 * 0.95; window++) {
      const start = { at: process.hrtime.bigint(), used: cpuUsed() };
      await sleep(2500);
      const share = (cpuUsed() - start.used) / Number(process.hrtime.bigint() - start.at);
      expect(share).toBeLessThan(0.2 * 1.05);
      most = Math.max(most, share);
    }
    console.log(`stress-ng --cpu 2 under cpu-quota 20 %: ${(most * 100).toFixed(2)} %`);
    expect(most).toBeGreaterThan(0.2 * 0.95);
  });

  it('memory-max', async () => {
    const limits = 'memory-max = 96m\nmemory-swap-max = 0';
    await stress('--vm 1 --vm-bytes 256m --vm-populate --oomable', limits).waitFor(/out of memory|dispatching hogs/);
    await sleep(3000);
    const peak = Number(read('memory.max_usage_in_bytes', 'memory.peak'));
    console.log(`stress-ng --vm 1 under memory-max 96 MiB: ${(peak / MIB).toFixed(2)} MiB`);
    expect(peak).toBeGreaterThan(96 * MIB * 0.95);
    expect(peak).toBeLessThanOrEqual(96 * MIB);
  });

  it('tasks-max', async () => {
    await stress('--fork 2 --fork-max 100', 'tasks-max = 40').waitFor(/dispatching hogs/);
    let most = 0;
    for (let sample = 0; sample < 300; sample++) {
      most = Math.max(most, Number(read('pids.current')));
      await sleep(5);
    }
    console.log(`stress-ng --fork 2 --fork-max 100 under tasks-max 40: ${most}`);
    expect(most).toBeGreaterThanOrEqual(38);
    expect(most).toBeLessThanOrEqual(40);
  });
});
