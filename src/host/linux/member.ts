import { readFileSync } from 'node:fs';
import { pidOf, readIdentity } from './identity.ts';

/** What makes a process one of a daemon's. */
export interface Membership {
  /** The PID namespace that the sandbox's PID 1 is in. */
  readonly pidNamespace: string;
  /** The end of the daemon's cgroup path, if it is in one. */
  readonly cgroup: string | undefined;
  /** The process that was started, from when its program runs on. */
  readonly main?: MainProcess;
}

/** What tells a daemon's main process from others, also when it has ended. */
export interface MainProcess {
  readonly pid: number;
  readonly startTime: string;
  /** Real, effective, saved and file system user: the kernel lets a sender name no other. */
  readonly uids: readonly number[];
}

/** A sender as the kernel names it. */
export interface Sender {
  readonly pid: number;
  readonly uid: number;
  readonly pidfd: number | undefined;
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
 * Adds the daemon's main process, whose program must run by now. @param init pid of metactl-init, whose first child it is:
 * orphans come later, and with the daemon it ends itself.
 * @returns the same where that process has ended meanwhile, and on a kernel without CONFIG_PROC_CHILDREN.
 */
export function withMain(membership: Membership, init: number): Membership {
  const pid = Number.parseInt(read(`/proc/${init}/task/${init}/children`) ?? '', 10);
  if (Number.isNaN(pid)) return membership;
  const uids = /^Uid:\s*(.+)$/m
    .exec(read(`/proc/${pid}/status`) ?? '')?.[1]
    ?.split(/\s+/)
    .map(Number);
  const found = readIdentity(pid);
  if (uids === undefined || found?.pidNamespace !== membership.pidNamespace) return membership;
  if (membership.cgroup !== undefined && !isIn(pid, membership.cgroup)) return membership;
  return { ...membership, main: { pid, startTime: found.startTime, uids } };
}

/**
 * Whether a sender belongs to a daemon: in its PID namespace and in its cgroup. One that has ended can't be told from any
 * other, so it doesn't, unless it is the process that was started: that one was looked at while it ran, and with its end the
 * sandbox is over.
 */
export function isMember(sender: Sender, membership: Membership): boolean {
  return sender.pid > 0 && (isInside(sender, membership) || isEndedMain(sender, membership.main));
}

/** The pidfd, where there is one, tells that the pid was not another's by the time it was looked at. */
function isInside({ pid, uid, pidfd }: Sender, { pidNamespace, cgroup }: Membership): boolean {
  const found = readIdentity(pid);
  if (found === undefined || found.pidNamespace !== pidNamespace) return false;
  // Without root there is no cgroup: whoever may signal the daemon may as well speak for it.
  if (cgroup === undefined ? uid !== process.geteuid?.() : !isIn(pid, cgroup)) return false;
  return pidfd === undefined || pidOf(pidfd) === pid;
}

/**
 * A process that ends has left its cgroup while it is still there, as long as nobody has waited for it. Should its pid be
 * another's already, it is not believed: that one may have sent it.
 */
function isEndedMain({ pid, uid }: Sender, main: MainProcess | undefined): boolean {
  if (main === undefined || pid !== main.pid || !main.uids.includes(uid)) return false;
  const now = endOf(pid);
  return now === undefined || (now.exiting && now.startTime === main.startTime);
}

/**
 * Whether a stranger to this run may be of the next one: the sandbox behind this PID 1 is over, also where nobody has waited for
 * that yet, or the stranger is in the daemon's cgroup.
 */
export function isOfNextRun({ pid }: Pick<Sender, 'pid'>, init: number, cgroup: string): boolean {
  return endOf(init)?.exiting !== false || (pid > 0 && isIn(pid, cgroup));
}

/** From include/linux/sched.h: set before a process gives up anything. */
const PF_EXITING = 4;

/** Fields 9 and 22 of proc_pid_stat(5). Undefined where there is no such process. */
function endOf(pid: number): { readonly exiting: boolean; readonly startTime: string } | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // See readIdentity.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [flags, startTime] = [fields?.[6], fields?.[19]];
  return startTime === undefined ? undefined : { exiting: (Number(flags) & PF_EXITING) !== 0, startTime };
}

/** Under v1 and v2 alike: one of its cgroups is the daemon's, or lies below it. */
function isIn(pid: number, cgroup: string): boolean {
  const lines = read(`/proc/${pid}/cgroup`)?.split('\n') ?? [];
  return lines.some((line) => line.endsWith(cgroup) || line.includes(`${cgroup}/`));
}

/** A file of /proc; undefined where its process is gone. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
