import { closeSync, fchownSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { Identity, ProcessPlan } from '../../sandbox/plan.ts';
import { hostIds } from '../../util/ids.ts';
import type { StdioPlan } from '../host.ts';
import { addon } from './addon.ts';
import { encodeJoin } from './encode.ts';
import { spawnInit } from './spawn.ts';
import type { LaunchedSandbox } from './watch.ts';

/** The sandbox to enter. The caller has verified its identity behind `pidfd` (identity.ts). */
export interface JoinTarget {
  readonly pidfd: number;
  readonly tasks: readonly number[];
  readonly cgroup?: number;
  /** Whether the kernel has killed something in its cgroup for memory since then. */
  readonly oomKilled?: () => boolean;
  /** Its user namespace, if it has one: descriptor, and first id of the block on the host. */
  readonly user?: { readonly fd: number; readonly first: number };
}

/**
 * Runs a process in a running sandbox: all of its namespaces, its cgroup, and the same credentials, no_new_privs and
 * seccomp as `launch` gives. A terminal as stdin becomes its controlling terminal and belongs to the identity's user.
 * It is killed when this process dies, and with the sandbox.
 * @throws MetactlError where the sandbox can't be entered; failures after that come from `started`.
 */
export function join(target: JoinTarget, process: ProcessPlan, identity: Identity, stdio: StdioPlan): LaunchedSandbox {
  const terminal = typeof stdio.stdin === 'number' && isatty(stdio.stdin);
  const owner = hostIds(identity, target.user?.first);
  if (terminal) fchownSync(stdio.stdin as number, owner.uid, owner.gid);
  const userNamespace = target.user !== undefined;
  const plan = addon().sealedMemfd('metactl-plan', encodeJoin(process, identity, { terminal, userNamespace }), false);
  try {
    return spawnInit({
      native: {
        plan,
        target: target.pidfd,
        tasks: target.tasks,
        ...(target.cgroup === undefined ? {} : { cgroup: target.cgroup }),
        ...(target.user === undefined ? {} : { user: target.user.fd }),
        isolated: false,
        newMounts: false,
        newNetwork: false,
        title: `join ${identity.user}`,
      },
      stdio,
      owner,
      endByLiveness: true,
      leftOut: [],
      oomKilled: target.oomKilled ?? (() => false),
    });
  } finally {
    closeSync(plan);
  }
}
