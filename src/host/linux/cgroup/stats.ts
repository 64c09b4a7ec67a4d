import { join } from 'node:path';
import type { CgroupKernel } from './kernel.ts';
import { readOomKills } from './oom.ts';
import type { Hierarchy } from './tree.ts';

export interface CgroupStats {
  /** Bytes, page cache included. */
  readonly memory: number;
  /** CPU time used so far, microseconds. */
  readonly cpuUsec: number;
  /** Processes and threads. */
  readonly tasks: number;
  readonly oomKills: number;
}

/** A daemon's directory in one hierarchy. */
export interface Leaf {
  readonly hierarchy: Hierarchy;
  readonly path: string;
}

/** Reads the counters of a daemon's cgroup; 0 for what no controller counts here or is gone. */
export function readStats(kernel: CgroupKernel, leaves: readonly Leaf[]): CgroupStats {
  const number = (controller: string, v1: string, v2: string) => {
    const leaf = leafWith(leaves, controller);
    if (leaf === undefined) return 0;
    return Number(kernel.read(join(leaf.path, leaf.hierarchy.version === 1 ? v1 : v2)) ?? 0);
  };
  return {
    memory: number('memory', 'memory.usage_in_bytes', 'memory.current'),
    cpuUsec: readCpu(kernel, leaves),
    tasks: number('pids', 'pids.current', 'pids.current'),
    // Few ask for it, and each file takes its time.
    get oomKills() {
      return countOomKills(kernel, leaves);
    },
  };
}

/** `oomKills` alone. */
export function countOomKills(kernel: CgroupKernel, leaves: readonly Leaf[]): number {
  const memory = leafWith(leaves, 'memory');
  return memory === undefined ? 0 : readOomKills(kernel, memory.path, memory.hierarchy.version);
}

export function leafWith(leaves: readonly Leaf[], controller: string): Leaf | undefined {
  return leaves.find(({ hierarchy }) => hierarchy.controllers.includes(controller));
}

/** v1 counts nanoseconds under cpuacct; a v2 tree counts in every cgroup, with or without its cpu controller. */
export function readCpu(kernel: CgroupKernel, leaves: readonly Leaf[]): number {
  const accounting = leafWith(leaves, 'cpuacct');
  if (accounting !== undefined) {
    return Math.round(Number(kernel.read(join(accounting.path, 'cpuacct.usage')) ?? 0) / 1000);
  }
  const unified = leaves.find(({ hierarchy }) => hierarchy.version === 2);
  const text = unified === undefined ? undefined : kernel.read(join(unified.path, 'cpu.stat'));
  return Number(/^usage_usec (\d+)$/m.exec(text ?? '')?.[1] ?? 0);
}
