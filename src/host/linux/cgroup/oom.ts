import { join } from 'node:path';
import type { CgroupKernel } from './kernel.ts';

/**
 * How many processes of a cgroup the kernel has killed for memory since the cgroup was made: `oom_kill` of
 * memory.oom_control (v1, Linux 4.13) or memory.events (v2). The count goes away with the directory, so it must be read
 * before that. @param directory of the hierarchy with the memory controller. @returns 0 where nothing counts.
 */
export function readOomKills(kernel: CgroupKernel, directory: string, version: 1 | 2): number {
  return parseOomKills(kernel.read(join(directory, version === 1 ? 'memory.oom_control' : 'memory.events')) ?? '');
}

/** Pure. */
export function parseOomKills(text: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}
