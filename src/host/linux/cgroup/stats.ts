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
  /** Names of those that are counted here, in the order of `files`. */
  readonly names: readonly (keyof CgroupStats)[];
  /** As `readNumbers` takes them. */
  readonly files: string;
  /** CPU time alone. */
  readonly cpuFile: string;
  /** Of what the CPU time is counted in, in a microsecond. */
  readonly cpuUnit: number;
}

/** v1 counts nanoseconds under cpuacct; a v2 tree counts in every cgroup, with or without its cpu controller. Pure. */
export function countersOf(leaves: readonly Leaf[]): Counters {
  const file = (controller: string, v1: string, v2: string) => {
    const leaf = leafWith(leaves, controller);
    return leaf === undefined ? undefined : `${leaf.path}/${leaf.hierarchy.version === 1 ? v1 : v2}`;
  };
  const accounting = file('cpuacct', 'cpuacct.usage', 'cpu.stat');
  const unified = leaves.find(({ hierarchy }) => hierarchy.version === 2);
  const cpu = accounting ?? (unified === undefined ? undefined : `${unified.path}/cpu.stat`);
  const all = [
    ['memory', file('memory', 'memory.usage_in_bytes', 'memory.current')],
    ['cpuUsec', cpu],
    ['tasks', file('pids', 'pids.current', 'pids.current')],
  ] as const;
  const found = all.filter(([, path]) => path !== undefined);
  return {
    names: found.map(([name]) => name),
    files: found.map(([, path]) => `${path}\0`).join(''),
    cpuFile: cpu === undefined ? '' : `${cpu}\0`,
    cpuUnit: accounting === undefined ? 1 : 1000,
  };
}

/** Reads them; 0 for what no controller counts here or is gone. */
export function readStats(kernel: CgroupKernel, { names, files, cpuUnit }: Counters): CgroupStats {
  const numbers = kernel.readNumbers(files);
  const stats = { memory: 0, cpuUsec: 0, tasks: 0 };
  for (let at = 0; at < names.length; at++) stats[names[at]!] = numbers[at]!;
  stats.cpuUsec = Math.round(stats.cpuUsec / cpuUnit);
  return stats;
}

/** Processes that the kernel killed for memory. */
export function countOomKills(kernel: CgroupKernel, leaves: readonly Leaf[]): number {
  const memory = leafWith(leaves, 'memory');
  return memory === undefined ? 0 : readOomKills(kernel, memory.path, memory.hierarchy.version);
}

export function leafWith(leaves: readonly Leaf[], controller: string): Leaf | undefined {
  return leaves.find(({ hierarchy }) => hierarchy.controllers.includes(controller));
}

/** Microseconds. */
export function readCpu(kernel: CgroupKernel, { cpuFile, cpuUnit }: Counters): number {
  return Math.round((kernel.readNumbers(cpuFile)[0] ?? 0) / cpuUnit);
}
