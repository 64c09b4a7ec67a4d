import { readFileSync, readlinkSync } from 'node:fs';
import { bootId } from './boot-id.ts';

/** What tells one process from every other that ever has its pid (sandbox.md rule 18). */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  readonly startTime: string;
  readonly bootId: string;
  /** Inode of the PID namespace it is in. */
  readonly pidNamespace: string;
}

/** @returns undefined where there is no such process (any more). */
export function readIdentity(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in parentheses, may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const startTime = fields[19];
    const pidNamespace = pidNamespaceOf(pid);
    if (startTime === undefined || pidNamespace === undefined) return undefined;
    return { pid, startTime, pidNamespace, bootId: bootId() };
  } catch (error) {
    const { code } = error as { code?: string };
    // ESRCH: it ended between open and read.
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** '' where it may not be known: PID 1 is non-dumpable, and without root that hides its namespaces. */
function pidNamespaceOf(pid: number): string | undefined {
  try {
    return /^pid:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/pid`))?.[1];
  } catch (error) {
    if ((error as { code?: string }).code === 'EACCES') return '';
    throw error;
  }
}

/**
 * Whether the process behind an open pidfd is the recorded one. The record is only a hint: a wrong one must never lead to
 * another process being signalled or entered. Everything is read while the pidfd keeps the pid from being reused.
 */
export function verifyIdentity(pidfd: number, record: ProcessIdentity): boolean {
  if (pidOf(pidfd) !== record.pid) return false;
  const found = readIdentity(record.pid);
  return (
    found !== undefined &&
    found.startTime === record.startTime &&
    found.bootId === record.bootId &&
    found.pidNamespace === record.pidNamespace &&
    pidOf(pidfd) === record.pid
  );
}

/** The pid behind a pidfd, or behind what stands in for one, as this process sees it; -1 once it has ended and been reaped. */
export function pidOf(pidfd: number): number {
  const match = /^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'));
  return match === null ? pidBehindDirectory(pidfd) : Number(match[1]);
}

/** Before Linux 5.4 `pidfdOpen` opens the process's directory in /proc: what is read through it is that process's, or nothing. */
function pidBehindDirectory(directory: number): number {
  try {
    return Number.parseInt(readFileSync(`/proc/self/fd/${directory}/stat`, 'utf8'), 10);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT' || code === 'ESRCH') return -1;
    throw error;
  }
}
