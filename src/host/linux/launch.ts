import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { StdioPlan } from '../host.ts';
import { addon } from './addon.ts';
import { encodePlan } from './encode.ts';
import { spawnInit } from './spawn.ts';
import type { LaunchedSandbox } from './watch.ts';

/** Descriptors of what has been made for the daemon. They stay the caller's. */
export interface LaunchHandles {
  /** The app's network namespace; required unless the plan's mode is `none`, which gives an empty one. */
  readonly netns?: number;
  /** `tasks` files of the daemon's cgroup v1 directories, opened for writing. */
  readonly tasks: readonly number[];
  /** The daemon's cgroup v2 directory. */
  readonly cgroup?: number;
  readonly stdio: StdioPlan;
  /** Whether the daemon's cgroup saw an out-of-memory kill; asked when the sandbox has ended. */
  readonly oomKilled?: () => boolean;
}

/**
 * Starts one daemon as planned. Returns as soon as metactl-init runs; `started` tells about the daemon itself.
 *
 * Without a sandbox (`sandboxed: false`) metactl-init supervises from the host's own namespaces: it collects orphans as a
 * subreaper and, when the daemon or this process ends, kills whatever is left of it, one generation after the other.
 * Credentials, limits and filter hold there too. Should metactl-init itself be killed, the daemon dies with it
 * (PR_SET_PDEATHSIG); its descendants are the business of the cgroup, which the caller kills.
 *
 * @throws MetactlError with the step, system call, errno and path where a namespace, cgroup or metactl-init can't be had.
 */
export function launch(plan: SandboxPlan, handles: LaunchHandles): LaunchedSandbox {
  const ownNetwork = plan.sandboxed && handles.netns === undefined;
  if (ownNetwork && plan.network.mode !== 'none') throw noNetwork(plan);
  const terminal = typeof handles.stdio.stdin === 'number' && isatty(handles.stdio.stdin);
  return spawnInit({
    native: {
      plan: planMemfd(plan, { terminal, loopback: ownNetwork }),
      tasks: handles.tasks,
      ...(handles.cgroup === undefined ? {} : { cgroup: handles.cgroup }),
      ...(handles.netns === undefined || !plan.sandboxed ? {} : { netns: handles.netns }),
      sandboxed: plan.sandboxed,
      newNetwork: ownNetwork,
      title: `${plan.app}/${plan.daemon}`,
    },
    stdio: handles.stdio,
    owner: plan.identity,
    endByLiveness: !plan.sandboxed,
    leftOut: plan.root.leftOut,
    oomKilled: handles.oomKilled ?? (() => false),
  });
}

function noNetwork(plan: SandboxPlan): MetactlError {
  return new MetactlError(`${plan.app}/${plan.daemon}: its network namespace isn't there`, {
    code: 'METACTL_NO_NETWORK',
    step: 'enter network namespace',
    exitStatus: EXIT.sandbox,
  });
}

/** Encoded plans by plan, so that a restart encodes nothing. Closed when nobody has the plan any more. */
const encoded = new WeakMap<SandboxPlan, Map<string, number>>();
const closer = new FinalizationRegistry<Map<string, number>>((memfds) => {
  for (const fd of memfds.values()) closeSync(fd);
});

function planMemfd(plan: SandboxPlan, options: { terminal: boolean; loopback: boolean }): number {
  let memfds = encoded.get(plan);
  if (memfds === undefined) {
    memfds = new Map();
    encoded.set(plan, memfds);
    closer.register(plan, memfds);
  }
  const key = `${options.terminal} ${options.loopback}`;
  let fd = memfds.get(key);
  if (fd === undefined) {
    fd = addon().sealedMemfd('metactl-plan', encodePlan(plan, options), false);
    memfds.set(key, fd);
  }
  return fd;
}
