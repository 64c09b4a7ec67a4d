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
}

/** A daemon's directory in one hierarchy. */
export interface Leaf {
  readonly hierarchy: Hierarchy;
  readonly path: string;
}

/** Where a daemon's counters are: found once, since `status` reads them for every daemon. */
export interface Counters {
  /** Undefined where nothing counts it. */
  readonly memory: string | undefined;
  readonly tasks: string | undefined;
  readonly cpu: { readonly file: string; readonly version: 1 | 2 } | undefined;
}

/** v1 counts nanoseconds under cpuacct; a v2 tree counts in every cgroup, with or without its cpu controller. Pure. */
export function countersOf(leaves: readonly Leaf[]): Counters {
  const file = (controller: string, v1: string, v2: string) => {
    const leaf = leafWith(leaves, controller);
    return leaf === undefined ? undefined : join(leaf.path, leaf.hierarchy.version === 1 ? v1 : v2);
  };
  const accounting = file('cpuacct', 'cpuacct.usage', 'cpu.stat');
  const unified = leaves.find(({ hierarchy }) => hierarchy.version === 2);
  return {
    memory: file('memory', 'memory.usage_in_bytes', 'memory.current'),
    tasks: file('pids', 'pids.current', 'pids.current'),
    cpu:
      accounting !== undefined
        ? { file: accounting, version: 1 }
        : unified !== undefined
          ? { file: join(unified.path, 'cpu.stat'), version: 2 }
          : undefined,
  };
}

/** Reads them; 0 for what no controller counts here or is gone. */
export function readStats(kernel: CgroupKernel, counters: Counters): CgroupStats {
  return {
    memory: readNumber(kernel, counters.memory),
    cpuUsec: readCpu(kernel, counters),
    tasks: readNumber(kernel, counters.tasks),
  };
}

function readNumber(kernel: CgroupKernel, file: string | undefined): number {
  return file === undefined ? 0 : Number(kernel.read(file) ?? 0);
}

/** Processes that the kernel killed for memory. */
export function countOomKills(kernel: CgroupKernel, leaves: readonly Leaf[]): number {
  const memory = leafWith(leaves, 'memory');
  return memory === undefined ? 0 : readOomKills(kernel, memory.path, memory.hierarchy.version);
}

export function leafWith(leaves: readonly Leaf[], controller: string): Leaf | undefined {
  return leaves.find(({ hierarchy }) => hierarchy.controllers.includes(controller));
}

/** CPU time alone, microseconds. */
export function readCpu(kernel: CgroupKernel, { cpu }: Counters): number {
  if (cpu === undefined) return 0;
  const text = kernel.read(cpu.file) ?? '';
  return cpu.version === 1 ? Math.round(Number(text) / 1000) : Number(/^usage_usec (\d+)$/m.exec(text)?.[1] ?? 0);
}
