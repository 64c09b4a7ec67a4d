import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { MountStep, SandboxPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { hostIds } from '../../util/ids.ts';
import type { StdioPlan } from '../host.ts';
import type { CgroupRequest } from './addon.ts';
import { isUnusual } from './cgroup/at-once.ts';
import type { Stored } from './descriptor-store.ts';
import { type EncodedPlan, encodedPlan, encodeOnce, type StartKind, sharedRootsOf } from './encoded-plans.ts';
import { nativeFiles } from './native-files.ts';
import type { ReadyLaunch } from './next-run.ts';
import { hasNodeStages, makeNodeStage, nodeStage } from './node-stages.ts';
import { type LaunchedSoon, type SpawnRequest, spawnInit, spawnInitSoon } from './spawn.ts';
import { disableStages, emptyStage, makeEmptyStage } from './stage-build.ts';
import { hostSources } from './stage-split.ts';
import type { StagesHold } from './stages.ts';
import type { LaunchedSandbox } from './watch.ts';
import { whenCalm } from './when-calm.ts';

/** Descriptors of what has been made for the daemon. They stay the caller's. */
export interface LaunchHandles {
  /** The app's network namespace; required unless the plan's mode is `none`, which gives an empty one. */
  readonly netns?: number;
  /** The app's user namespace, where the plan has one. */
  readonly user?: number;
  /** A user namespace with the maps of the plan's idmapped mounts, where it has any. */
  readonly idmap?: number;
  /** `tasks` files of the daemon's cgroup v1 directories, opened for writing. */
  readonly tasks: readonly number[];
  /** The daemon's v1 directories by what their hierarchy is mounted with, to be shown inside. */
  readonly v1?: ReadonlyMap<string, string>;
  /** The daemon's cgroup v2 directory. */
  readonly cgroup?: number;
  /** Whether that counts or limits anything, which hybrid's `unified` tree does not; unknown: it does. */
  readonly isCounted?: boolean;
  readonly stdio: StdioPlan;
  /** What the daemon gets from descriptor 3 on. */
  readonly stored?: readonly Stored[];
  /** The app's stages (`openAppStages`), if it may be started more than once: makes every start but the first faster. */
  readonly stages?: StagesHold;
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
  const start = begin(plan, handles);
  try {
    return launchFrom(plan, handles, start);
  } catch (error) {
    requireWithoutStage(start, error);
    return launchFrom(plan, handles, FROM_HOST);
  }
}

/**
 * The same beside other launches, see `spawnInitSoon`. `handles` stay open until it is done; without `stored`.
 * @param cgroup is made with it, `handles` having none (but for `v1`): a launch that fails leaves none, and may go well by `launch`
 * where `isLaunchedOtherwise` says so.
 */
export async function launchSoon(
  plan: SandboxPlan,
  handles: LaunchHandles,
  cgroup?: CgroupRequest,
): Promise<LaunchedSoon> {
  const start = begin(plan, handles);
  try {
    const encoded = encodedPlan(plan, start.kind, encodeOptions(plan, handles));
    const launched = await spawnInitSoon(spawnRequest(plan, handles, encoded, start.stage), cgroup);
    followed(plan, handles, launched.sandbox);
    return launched;
  } catch (error) {
    if (cgroup !== undefined && isUnusual(error)) throw error;
    requireWithoutStage(start, error);
    if (cgroup !== undefined) throw error;
    return { sandbox: launchFrom(plan, handles, FROM_HOST) };
  }
}

/** Whether `launch` with a cgroup may do what `launchSoon` could not. Pure. */
export function isLaunchedOtherwise(error: unknown): boolean {
  return isUnusual(error) || (error as MetactlError).step === STAGE_STEP;
}

function begin(plan: SandboxPlan, handles: LaunchHandles): Start {
  const ownNetwork = plan.sandboxed && handles.netns === undefined;
  if (ownNetwork && plan.network.mode !== 'none') throw noNetwork(plan);
  if (plan.sandboxed && plan.userNamespace !== undefined && handles.user === undefined) throw noUserNamespace(plan);
  return chooseStart(plan, handles);
}

/** @throws `error` unless it may go well from the host's mounts. */
function requireWithoutStage({ stage }: Start, error: unknown): void {
  if (stage === undefined || (error as MetactlError).step !== STAGE_STEP) throw error;
  disableStages();
}

/** native/spawn_child.cc */
const STAGE_STEP = 'enter prepared mounts';

interface Start {
  readonly kind: StartKind;
  /** Descriptor of the stage, unless the start is from the host's mounts. */
  readonly stage: number | undefined;
}

const FROM_HOST: Start = { kind: 'host', stage: undefined };
const NO_V1: ReadonlyMap<string, string> = new Map();
/** native/protocol.h: kMostTrees. */
const MOST_TREES = 64;

function chooseStart(plan: SandboxPlan, { netns, stages, v1 = NO_V1 }: LaunchHandles): Start {
  if (!plan.sandboxed) return FROM_HOST;
  // Without a lasting network namespace there is no stage: its /sys shows that namespace's devices.
  const app = netns === undefined ? undefined : stages?.stages.ready(plan, netns);
  if (app !== undefined) return { kind: 'app', stage: app };
  const common = readyNodeStage(plan);
  const fits = () => sourceCount(plan) + v1.size <= MOST_TREES;
  if (common !== undefined && fits()) return { kind: 'node', stage: common };
  const empty = emptyStage();
  if (empty !== undefined && fits()) return { kind: 'empty', stage: empty };
  return FROM_HOST;
}

const counts = new WeakMap<SandboxPlan['root'], number>();

/** How many of the host's mounts it shows. Daemons of an app have their root in common. */
function sourceCount({ root }: SandboxPlan): number {
  const count = counts.get(root) ?? hostSources(root.steps).length;
  counts.set(root, count);
  return count;
}

function readyNodeStage(plan: SandboxPlan): number | undefined {
  // The first start of a process has none: what there would be to look for need not be worked out.
  if (!hasNodeStages()) return undefined;
  const { node } = sharedRootsOf(plan);
  return node === undefined ? undefined : nodeStage(node);
}

function launchFrom(plan: SandboxPlan, handles: LaunchHandles, { kind, stage }: Start): LaunchedSandbox {
  const { stored = [] } = handles;
  const options = encodeOptions(plan, handles);
  if (stored.length === 0) return spawnWith(plan, handles, encodedPlan(plan, kind, options), stage);
  const encoded = encodeOnce(plan, kind, { ...options, stored: stored.map(({ name }) => name) });
  try {
    return spawnWith(plan, handles, encoded, stage);
  } finally {
    closeSync(encoded.memfd);
  }
}

function encodeOptions({ sandboxed }: SandboxPlan, { stdio, netns, v1 = NO_V1 }: LaunchHandles) {
  const { stdin } = stdio;
  return { terminal: typeof stdin === 'number' && isatty(stdin), loopback: sandboxed && netns === undefined, v1 };
}

function spawnWith(
  plan: SandboxPlan,
  handles: LaunchHandles,
  encoded: EncodedPlan,
  stage: number | undefined,
): LaunchedSandbox {
  return followed(plan, handles, spawnInit(spawnRequest(plan, handles, encoded, stage)));
}

function spawnRequest(
  plan: SandboxPlan,
  handles: LaunchHandles,
  { memfd, trees }: EncodedPlan,
  stage: number | undefined,
): SpawnRequest {
  return {
    native: nativeOptions(plan, handles, memfd, stage === undefined ? {} : { stage, trees }),
    stdio: handles.stdio,
    owner: ownerOf(plan),
    endByLiveness: !plan.sandboxed,
    tellsReady: plan.readyDescriptor !== undefined,
    leftOut: plan.root.leftOut,
    oomKilled: handles.oomKilled ?? (() => false),
  };
}

function followed(plan: SandboxPlan, handles: LaunchHandles, sandbox: LaunchedSandbox): LaunchedSandbox {
  // A start that fails needs none.
  sandbox.started.then(() => prepareLaterStarts(plan, handles)).catch(() => {});
  return sandbox;
}

/** Of its pipes. */
function ownerOf({ identity, userNamespace }: SandboxPlan): { readonly uid: number; readonly gid: number } {
  return hostIds(identity, userNamespace?.first);
}

function nativeOptions(
  plan: SandboxPlan,
  handles: LaunchHandles,
  memfd: number,
  start: Pick<SpawnRequest['native'], 'stage' | 'trees'>,
): SpawnRequest['native'] {
  const { stored = [] } = handles;
  return {
    plan: memfd,
    tasks: handles.tasks,
    stored: stored.map(({ descriptor }) => descriptor.fd),
    ...(handles.cgroup === undefined ? {} : { cgroup: handles.cgroup }),
    ...(handles.netns === undefined || !plan.sandboxed ? {} : { netns: handles.netns }),
    ...namespaceHandles(plan, handles),
    isolated: plan.sandboxed,
    newMounts: plan.sandboxed,
    ...start,
    newNetwork: plan.sandboxed && handles.netns === undefined,
    title: `${plan.app}/${plan.daemon}`,
  };
}

function namespaceHandles(
  { sandboxed }: SandboxPlan,
  { user, idmap }: LaunchHandles,
): { user?: number; idmap?: number } {
  if (!sandboxed) return {};
  return { ...(user === undefined ? {} : { user }), ...(idmap === undefined ? {} : { idmap }) };
}

/** Makes what the launches to come start from, once there is time for it. */
export function prepareLaterStarts(plan: SandboxPlan, handles: LaunchHandles): void {
  if (plan.sandboxed) whenCalm(plan, () => prepareStages(plan, handles));
}

async function prepareStages(plan: SandboxPlan, handles: LaunchHandles): Promise<void> {
  const { netns, stages, idmap } = handles;
  const { node } = sharedRootsOf(plan);
  // Also for an app that is gone: the next one of the node starts from it.
  if (node === undefined) await makeEmptyStage();
  else await makeNodeStage(node);
  if (netns !== undefined && stages !== undefined) await stages.prepare(plan, netns, idmap);
}

/**
 * The same launch made ready in advance; undefined where it can't be: it needs a stage, and output that goes to pipes.
 * @param processes cgroup.procs of the daemon's cgroup.
 */
export function readyLaunch(plan: SandboxPlan, handles: LaunchHandles, processes: string): ReadyLaunch | undefined {
  const { stdin, stdout, stderr } = handles.stdio;
  if (!plan.sandboxed || stdin !== 'null' || typeof stdout === 'number' || typeof stderr === 'number') return undefined;
  // What it may leave for its next start is known only when it has ended.
  if (handles.netns === undefined || plan.process.env.FDSTORE !== undefined || process.getuid?.() !== 0)
    return undefined;
  const found = handles.stages?.stages.find(plan, handles.netns);
  if (found === undefined) return undefined;
  const { init, liveness, nothing } = nativeFiles();
  const { memfd, trees } = encodedPlan(plan, 'app', encodeOptions(plan, handles));
  const native = nativeOptions(plan, { ...handles, stored: [] }, memfd, { stage: found.mounts, trees });
  return {
    spawn: { ...native, init, liveness, stdin: nothing, stdout: nothing, stderr: nothing },
    guard: found.guard.guard,
    tellsReady: plan.readyDescriptor !== undefined,
    ...ownerOf(plan),
    processes,
    canWait: canWait(plan, handles, trees),
  };
}

/**
 * Whether all of it but the daemon's process may be there long before. It enters v1 cgroups by itself when its time comes, but into
 * one of v2 the kernel lets a process quickly only when it is made: there it is from the beginning, which nobody may notice. Nor
 * may anything change meanwhile that isn't noticed, as what is mounted below a recursive bind's source.
 */
function canWait(plan: SandboxPlan, handles: LaunchHandles, trees: EncodedPlan['trees']): boolean {
  const { cgroup, tasks, v1 = NO_V1, isCounted = true } = handles;
  if (cgroup !== undefined && (isCounted || tasks.length === 0)) return false;
  // What is mounted of a cgroup shows where it was mounted from.
  const isMounted = (step: MountStep) => step.op === 'cgroup' && !v1.has(step.controllers);
  return !trees.some(({ recursive }) => recursive) && !plan.root.steps.some(isMounted);
}

function noUserNamespace(plan: SandboxPlan): MetactlError {
  return new MetactlError(`${plan.app}/${plan.daemon}: its user namespace isn't there`, {
    code: 'METACTL_NO_IDS',
    step: 'enter user namespace',
    exitStatus: EXIT.sandbox,
  });
}

function noNetwork(plan: SandboxPlan): MetactlError {
  return new MetactlError(`${plan.app}/${plan.daemon}: its network namespace isn't there`, {
    code: 'METACTL_NO_NETWORK',
    step: 'enter network namespace',
    exitStatus: EXIT.sandbox,
  });
}
