import { readdirSync, readlinkSync } from 'node:fs';
import type { Paths } from '../../util/paths.ts';
import type { LostSupervisor } from '../supervisor-host.ts';
import { bootId } from './boot-id.ts';
import { liveDaemons, readLive } from './live.ts';
import { type KernelLog, openKernelLog } from './seccomp-log.ts';

/** What a supervisor writes about itself into its lock's file: there while there is a supervisor, and after one that was killed. */
export interface SupervisorNote {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTime: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** What is known about a supervisor of this boot whose lock is free though it never gave it back. */
export function lostSupervisor(paths: Paths, { pid, since, startTime }: SupervisorNote): LostSupervisor {
  return { pid, since, daemons: daemonsOf(paths, pid), killedFor: killedFor(pid, startTime) };
}

/** Live states are taken away behind daemons that end: those that are left ran to the end. */
function daemonsOf(paths: Paths, supervisor: number): LostSupervisor['daemons'] {
  const apps = readdirSync(paths.run).filter((name) => /^[a-z][a-z0-9-]*$/.test(name));
  return apps.flatMap((app) => {
    const names = liveDaemons(paths, app).filter((daemon) => {
      const live = readLive(paths, app, daemon);
      return live?.supervisor === supervisor && live.bootId === bootId();
    });
    return names.map((daemon) => ({ app, daemon }));
  });
}

/** PROC_PID_INIT_INO: in any other PID namespace the pids of the kernel's log are not ours. */
const FIRST_NAMESPACE = 'pid:[4026531836]';
/** Records of the kernel's log that are looked at. */
const MOST_RECORDS = 200_000;

function killedFor(pid: number, startTime: string): string | undefined {
  if (readlinkSync('/proc/self/ns/pid') !== FIRST_NAMESPACE) return undefined;
  const log = openKernelLog();
  if (log === undefined) return undefined;
  try {
    return outOfMemory(log, pid, startTime);
  } finally {
    log.close();
  }
}

/**
 * What the kernel wrote when it killed a process for want of memory. Records of before it was started are about another one that
 * had its pid. Pure but for the log. @param startTime field 22 of /proc/PID/stat: hundredths of a second after boot.
 */
export function outOfMemory(log: KernelLog, pid: number, startTime: string): string | undefined {
  for (let count = 0; count < MOST_RECORDS; count++) {
    const record = log.next();
    if (record === undefined) return undefined;
    // Facility 0 is the kernel's own.
    const found = /^(\d+),\d+,(\d+),[^;]*;((?:Memory cgroup out|Out) of memory: Killed process (\d+) \([^)\n]*\))/.exec(
      record,
    );
    if (found === null || Number(found[1]) >> 3 !== 0 || Number(found[4]) !== pid) continue;
    // The clock of the log stands still while the machine sleeps, the other one does not.
    if (Number(found[2]) / 1e6 + 1 >= Number(startTime) / 100) return found[3];
  }
  return undefined;
}
