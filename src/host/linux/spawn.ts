import { closeSync } from 'node:fs';
import type { Identity, RootPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Descriptor } from '../handover.ts';
import type { StdioPlan } from '../host.ts';
import {
  addon,
  type CgroupRequest,
  type MadeCgroup,
  type Spawned,
  type SpawnOptions,
  type Successor,
} from './addon.ts';
import { launchError } from './launch-error.ts';
import { livenessBehind, nativeFiles, privateLiveness } from './native-files.ts';
import { type OpenedStdio, openStdio, streamBehind } from './stdio.ts';
import { type HandedSandbox, type LaunchedSandbox, watchSandbox } from './watch.ts';

export interface SpawnRequest {
  /** What goes to the addon as it is. */
  readonly native: Omit<SpawnOptions, 'init' | 'stdin' | 'stdout' | 'stderr' | 'liveness' | 'ready'>;
  readonly stdio: StdioPlan;
  /** Owner of the pipes, so that the app can open /dev/stdout and /dev/stderr. */
  readonly owner: Pick<Identity, 'uid' | 'gid'>;
  /**
   * SIGKILL to metactl-init would not end what it watches (or leave it to the host's init to reap): it gets a liveness
   * pipe of its own, whose end is the order to end everything.
   */
  readonly endByLiveness: boolean;
  /** The daemon gets a pipe to tell by that it is ready. */
  readonly tellsReady?: boolean;
  readonly leftOut: RootPlan['leftOut'];
  readonly oomKilled: () => boolean;
}

/** Failures before metactl-init's first instruction are told like those after it. */
function describe(error: unknown, leftOut: SpawnRequest['leftOut']): unknown {
  if (!(error instanceof MetactlError) || error.errno === undefined) return error;
  const { errno, step = '', syscall = '', path = '' } = error;
  return launchError({ errno, step, syscall, path, exitStatus: EXIT.sandbox }, leftOut);
}

/** Starts metactl-init and follows it. Everything opened here is closed again, also on failure. */
export function spawnInit(request: SpawnRequest): LaunchedSandbox {
  const begun = new BegunSpawn(request);
  try {
    return begun.follow(addon().spawn(begun.options));
  } catch (error) {
    throw begun.failed(error);
  }
}

/**
 * The same on another thread, for whoever has more to start: the kernel works on one launch while the next is prepared.
 * Descriptors in the request stay open until it is done.
 * @param cgroup is made first; the request has none then. @returns also its descriptors, which are the caller's.
 */
export async function spawnInitSoon(request: SpawnRequest, cgroup?: CgroupRequest): Promise<LaunchedSoon> {
  const begun = new BegunSpawn(request);
  try {
    const { options } = begun;
    const spawned = await new Promise<Spawned & Partial<MadeCgroup>>((resolve, reject) => {
      addon().spawnSoon(options, cgroup, (error, made) => (error === null ? resolve(made) : reject(error)));
    });
    const { tasks, directory, ...rest } = spawned;
    const cgroupMade = tasks === undefined ? {} : { made: directory === undefined ? { tasks } : { tasks, directory } };
    return { sandbox: begun.follow(rest), ...cgroupMade };
  } catch (error) {
    throw begun.failed(error);
  }
}

export interface LaunchedSoon {
  readonly sandbox: LaunchedSandbox;
  /** The cgroup that was asked for. */
  readonly made?: MadeCgroup;
}

/** What is opened for one launch. */
class BegunSpawn {
  readonly options: SpawnOptions;
  readonly #request: SpawnRequest;
  readonly #stdio: OpenedStdio;
  readonly #liveness: ReturnType<typeof privateLiveness> | undefined;

  constructor(request: SpawnRequest) {
    const files = nativeFiles();
    const stdio = openStdio(request.stdio, request.owner, request.tellsReady === true);
    const liveness = request.endByLiveness ? privateLiveness() : undefined;
    this.#request = request;
    this.#stdio = stdio;
    this.#liveness = liveness;
    this.options = {
      ...request.native,
      init: files.init,
      stdin: stdio.stdin,
      stdout: stdio.stdout,
      stderr: stdio.stderr,
      ...(stdio.ready === undefined ? {} : { ready: stdio.ready }),
      liveness: liveness?.read ?? files.liveness,
    };
  }

  follow(spawned: Spawned): LaunchedSandbox {
    const { leftOut, oomKilled } = this.#request;
    const liveness = this.#liveness;
    const streams = this.#stdio.streams();
    const sandbox = watchSandbox(spawned, {
      ...{ leftOut, oomKilled },
      ...streams,
      ...(liveness === undefined ? {} : { liveness }),
    });
    if (liveness !== undefined) closeSync(liveness.read);
    return sandbox;
  }

  /** @returns what to throw. */
  failed(error: unknown): unknown {
    const liveness = this.#liveness;
    liveness?.end();
    if (liveness !== undefined) closeSync(liveness.read);
    this.#stdio.discard();
    return describe(error, this.#request.leftOut);
  }
}

/** Follows a sandbox that the process before this one has started. */
export function takeUpSandbox(
  handed: HandedSandbox,
  stdio: StdioPlan,
  { leftOut, oomKilled }: Pick<SpawnRequest, 'leftOut' | 'oomKilled'>,
): LaunchedSandbox {
  const stream = (end: Descriptor | undefined, plan: StdioPlan['stdout']) =>
    end === undefined ? undefined : streamBehind(end.fd, plan);
  return watchSandbox(handed.spawned, {
    ...{ leftOut, oomKilled },
    stdout: stream(handed.stdout, stdio.stdout),
    stderr: stream(handed.stderr, stdio.stderr),
    ready: stream(handed.ready, 'pipe'),
    ...(handed.liveness === undefined ? {} : { liveness: livenessBehind(handed.liveness.fd) }),
    ...(handed.daemonPid === undefined ? {} : { daemonPid: handed.daemonPid }),
  });
}

/** Follows what was started at the end of the run before. `stdio` has pipes for its output. */
export function followSuccessor(
  { stdout, stderr, ready, ...spawned }: Successor,
  stdio: StdioPlan,
  request: Pick<SpawnRequest, 'leftOut' | 'oomKilled'>,
): LaunchedSandbox {
  const { pid, pidfd, error, status } = spawned;
  const handed: HandedSandbox = {
    spawned: { pid, pidfd: { fd: pidfd }, error: { fd: error }, status: { fd: status } },
    stdout: { fd: stdout },
    stderr: { fd: stderr },
    ready: ready === undefined ? undefined : { fd: ready },
    liveness: undefined,
    daemonPid: undefined,
  };
  return takeUpSandbox(handed, stdio, request);
}

const NOTHING: StdioPlan = { stdin: 'null', stdout: 'pipe', stderr: 'pipe' };

/** Ends what was started at the end of the run before, and nobody wants. @returns when it is gone. */
export function endSuccessor(successor: Successor): Promise<unknown> {
  const sandbox = followSuccessor(successor, NOTHING, { leftOut: [], oomKilled: () => false });
  for (const stream of [sandbox.stdout, sandbox.stderr, sandbox.ready]) stream?.resume();
  sandbox.kill();
  return sandbox.ended;
}
