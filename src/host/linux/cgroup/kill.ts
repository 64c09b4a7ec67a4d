import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { addon } from '../addon.ts';
import { type CgroupKernel, errnoOf } from './kernel.ts';

const SIGKILL = 9;
/** A second look finds what was about to be forked when `pids.max` was closed. */
const PASSES = 2;

/** Processes by pidfd: a number may belong to somebody else by the time it is used. Tests put a fake in its place. */
export interface Processes {
  /** Undefined where there is no such process. */
  open(pid: number): number | undefined;
  kill(pidfd: number): void;
  close(pidfd: number): void;
}

export const linuxProcesses: Processes = {
  open(pid) {
    try {
      return addon().pidfdOpen(pid);
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') return undefined;
      throw error;
    }
  },
  kill: (pidfd) => void addon().pidfdSendSignal(pidfd, SIGKILL),
  close: (pidfd) => closeSync(pidfd),
};

/**
 * SIGKILL to everything in these directories (one cgroup as its hierarchies show it). `cgroup.kill` does it at once
 * (Linux 5.14, also in hybrid's `unified` tree); what it can't reach is signalled one by one, forks being forbidden first.
 * Only asks for it: the processes end some time later.
 * @returns whether anything was inside. Then the directories are spent: forks may be forbidden in them, and since 6.14 Linux kills
 *   what is cloned into a cgroup whose `cgroup.kill` was ever used (it compares the cgroup's count of kills with that of the
 *   parent's cgroup; seen with 6.18).
 */
export function killInside(kernel: CgroupKernel, directories: readonly string[], processes: Processes): boolean {
  const killed = new Set(directories.flatMap((directory) => killAtOnce(kernel, directory)));
  let spent = killed.size > 0;
  for (const directory of directories) {
    if (readPids(kernel, directory).every((pid) => killed.has(pid))) continue;
    spent = true;
    forbidForks(kernel, directories);
    for (let pass = 0; pass < PASSES; pass++) killOneByOne(kernel, directory, processes);
  }
  return spent;
}

/** @returns the pids that were inside; none where the kernel has no `cgroup.kill`. */
function killAtOnce(kernel: CgroupKernel, directory: string): number[] {
  const file = join(directory, 'cgroup.kill');
  if (!kernel.exists(file)) return [];
  const pids = readPids(kernel, directory);
  if (pids.length === 0) return [];
  try {
    kernel.write(file, '1');
    return pids;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return [];
    throw error;
  }
}

function forbidForks(kernel: CgroupKernel, directories: readonly string[]): void {
  for (const directory of directories) {
    const file = join(directory, 'pids.max');
    if (kernel.exists(file)) kernel.write(file, '0');
  }
}

/** A pid that is still inside after its pidfd was opened is the process the pidfd stands for, or that one is dead. */
function killOneByOne(kernel: CgroupKernel, directory: string, processes: Processes): void {
  const opened = readPids(kernel, directory).map((pid) => ({ pid, pidfd: processes.open(pid) }));
  const inside = new Set(readPids(kernel, directory));
  for (const { pid, pidfd } of opened) {
    if (pidfd === undefined) continue;
    try {
      if (inside.has(pid)) processes.kill(pidfd);
    } finally {
      processes.close(pidfd);
    }
  }
}

/** Host pids in a cgroup itself and in those below it. */
export function readPids(kernel: CgroupKernel, directory: string): number[] {
  const own = (kernel.read(join(directory, 'cgroup.procs')) ?? '').split('\n').filter((line) => line !== '');
  const below = kernel.directories(directory).flatMap((name) => readPids(kernel, join(directory, name)));
  return [...own.map(Number), ...below];
}
