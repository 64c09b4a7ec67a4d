import { readFileSync } from 'node:fs';
import { pidOf, readIdentity } from './identity.ts';

/** What makes a process one of a daemon's. */
export interface Membership {
  /** The PID namespace that the sandbox's PID 1 is in. */
  readonly pidNamespace: string;
  /** The end of the daemon's cgroup path, if it is in one. */
  readonly cgroup: string | undefined;
}

/**
 * @param pid of the sandbox's PID 1. @param cgroup the end of the daemon's cgroup path: `/metactl/shop/web`.
 * @returns undefined where that process is gone.
 */
export function membershipOf(pid: number, cgroup: string): Membership | undefined {
  const identity = readIdentity(pid);
  if (identity === undefined) return undefined;
  return { pidNamespace: identity.pidNamespace, cgroup: isIn(pid, cgroup) ? cgroup : undefined };
}

/**
 * Whether a sender belongs to a daemon: in its PID namespace and in its cgroup. One that has ended can't be told from any
 * other, so it doesn't. The pidfd, where there is one, tells that the pid was not another's by the time it was looked at.
 */
export function isMember(
  { pid, uid, pidfd }: { readonly pid: number; readonly uid: number; readonly pidfd: number | undefined },
  { pidNamespace, cgroup }: Membership,
): boolean {
  if (pid <= 0) return false;
  const found = readIdentity(pid);
  if (found === undefined || found.pidNamespace !== pidNamespace) return false;
  // Without root there is no cgroup: whoever may signal the daemon may as well speak for it.
  if (cgroup === undefined ? uid !== process.geteuid?.() : !isIn(pid, cgroup)) return false;
  return pidfd === undefined || pidOf(pidfd) === pid;
}

/** Under v1 and v2 alike: one of its cgroups is the daemon's, or lies below it. */
function isIn(pid: number, cgroup: string): boolean {
  try {
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
    return lines.some((line) => line.endsWith(cgroup) || line.includes(`${cgroup}/`));
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT' || code === 'ESRCH') return false;
    throw error;
  }
}
