import { readFileSync } from 'node:fs';
import type { Peer } from '../dial.ts';

/** @returns undefined where there is no such process, or it is in a PID namespace that this one does not see (0). */
export function peerOf(pid: number): Peer | undefined {
  if (pid <= 0) return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Field 3 of proc_pid_stat(5), behind a name that may hold anything.
    return { pid, isStopped: /^[Tt]/.test(stat.slice(stat.lastIndexOf(')') + 2)) };
  } catch {
    return undefined;
  }
}
