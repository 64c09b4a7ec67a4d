import { isAbsolute, posix, resolve } from 'node:path';
import type { Identity, ProcessPlan, RootPlan, SandboxPlan } from '../../sandbox/plan.ts';
import { MetactlError } from '../../util/error.ts';
import { BinaryWriter } from './binary-writer.ts';
import { capabilityMask } from './capabilities.ts';
import { type TreeSource, writeStep } from './encode-steps.ts';

// The layout is native/plan.h's; its version number must go up on both sides with every change.
const MAGIC = 0x4c43544d;
const VERSION = 8;
const SIZE_OFFSET = 8;
const MODE = { run: 1, join: 2, stage: 3, user: 4 } as const;
const FLAG = { sandboxed: 1, loopback: 2, terminal: 4, staged: 8, logCalls: 16, userNamespace: 32 } as const;

/** RLIMIT_* (asm-generic/resource.h; x86_64 and aarch64 use it). */
const RLIMITS =
  'cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime'.split(' ');
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** What varies between launches of one plan. */
export interface EncodeOptions {
  /** Standard input is a terminal that shall control the session. */
  readonly terminal?: boolean;
  /** Bring up `lo`: the sandbox has an empty network namespace of its own. */
  readonly loopback?: boolean;
  /** Names of the descriptors that the daemon gets from 3 on. */
  readonly stored?: readonly string[];
  /** Of a process that enters: the ids are those of the sandbox's user namespace, which it enters too. */
  readonly userNamespace?: boolean;
}

/** A part of a root plan. */
export type RootPart = Pick<RootPlan, 'steps' | 'masked' | 'readOnly'>;

/** A plan for a metactl-init that starts in a prepared mount namespace, and the host mounts to be handed over with it. */
export interface StagedPlan {
  readonly bytes: Uint8Array;
  readonly trees: readonly TreeSource[];
}

/**
 * The plan as metactl-init reads it, for a start in a copy of the host's mount namespace. Pure; may be kept and used for
 * every start of the same plan.
 * @throws MetactlError (78) METACTL_BAD_TEXT, METACTL_UNKNOWN_CAPABILITY, METACTL_BAD_PLAN.
 */
export function encodePlan(plan: SandboxPlan, options: EncodeOptions = {}): Uint8Array {
  return encodeRun(plan, [plan.root], 0, options, undefined);
}

/**
 * The same for a start in a stage: `empty` has nothing, so the whole root is built; otherwise `root` is what a stage's
 * shared root lacks. Of several parts the first is one that other plans have too: its bytes are kept.
 */
export function encodeStaged(
  plan: SandboxPlan,
  root: readonly RootPart[],
  empty: boolean,
  options: EncodeOptions = {},
): StagedPlan {
  const trees: TreeSource[] = [];
  const bytes = encodeRun(plan, root, empty ? 0 : FLAG.staged, options, trees);
  return { bytes, trees };
}

/** A process that enters a running sandbox. */
export function encodeJoin(process: ProcessPlan, identity: Identity, options: EncodeOptions = {}): Uint8Array {
  const flags =
    (options.terminal ? FLAG.terminal : 0) | (options.userNamespace ? FLAG.userNamespace : 0) | logFlag(process);
  return encode({ mode: MODE.join, flags, hostname: '', firstPid: 0, process, identity }, [], undefined);
}

/** A stage: a mount namespace with this root, which launches then start from. `staged`: it adds to another stage's. Pure. */
export function encodeStage(root: RootPart, staged = false): StagedPlan {
  const trees: TreeSource[] = [];
  return { bytes: encode(builderHead(MODE.stage, staged ? FLAG.staged : 0), [root], trees), trees };
}

/** A user namespace that waits for its maps. Pure. */
export function encodeUserNamespace(): Uint8Array {
  return encode(builderHead(MODE.user), [], undefined);
}

/** Of a metactl-init that only makes something for the supervisor. */
function builderHead(mode: number, flags = 0): Head {
  return { mode, flags, hostname: '', firstPid: 0, process: NO_PROCESS, identity: NOBODY };
}

const NOBODY: Identity = { user: '', uid: 65_534, gid: 65_534, groups: [], capabilities: [] };
const NO_PROCESS: ProcessPlan = {
  argv: ['/'],
  env: {},
  workingDirectory: '/',
  umask: 0o077,
  nice: 0,
  oomScoreAdj: 0,
  rlimits: {},
  seccomp: 'none',
  seccompProgram: new Uint8Array(),
  noNewPrivs: true,
};

function encodeRun(
  plan: SandboxPlan,
  root: readonly RootPart[],
  more: number,
  options: EncodeOptions,
  trees: TreeSource[] | undefined,
): Uint8Array {
  const flags =
    (plan.sandboxed ? FLAG.sandboxed : 0) |
    (options.loopback ? FLAG.loopback : 0) |
    (options.terminal ? FLAG.terminal : 0) |
    logFlag(plan.process) |
    (plan.sandboxed && plan.userNamespace !== undefined ? FLAG.userNamespace : 0) |
    more;
  const hostname = plan.sandboxed ? plan.hostname : '';
  const { stored = [] } = options;
  const { identity } = plan;
  const process = stored.length === 0 ? plan.process : { ...plan.process, env: storedEnv(plan.process.env, stored) };
  const firstPid = plan.sandboxed ? (plan.firstPid ?? 0) : 0;
  const ready = plan.readyDescriptor === undefined ? {} : { readyDescriptor: plan.readyDescriptor };
  const head = {
    mode: MODE.run,
    flags,
    hostname,
    firstPid,
    process,
    identity,
    stored: stored.length,
    ...ready,
  };
  return encode(head, plan.sandboxed ? root : [], trees);
}

/** As sd_listen_fds_with_names(3) reads it. LISTEN_PID is told by the daemon's process itself, before it executes. */
function storedEnv(env: ProcessPlan['env'], names: readonly string[]): ProcessPlan['env'] {
  const { LISTEN_PID, ...rest } = env;
  return { ...rest, LISTEN_FDS: String(names.length), LISTEN_FDNAMES: names.join(':') };
}

interface Head {
  readonly mode: number;
  readonly flags: number;
  readonly hostname: string;
  readonly firstPid: number;
  readonly readyDescriptor?: number;
  readonly stored?: number;
  readonly process: ProcessPlan;
  readonly identity: Identity;
}

function encode(head: Head, root: readonly RootPart[], trees: TreeSource[] | undefined): Uint8Array {
  const to = new BinaryWriter();
  to.u32(MAGIC);
  to.u32(VERSION);
  to.u32(0);
  to.u32(head.mode);
  to.u32(head.flags);
  to.text(head.hostname);
  to.u32(head.firstPid);
  to.u32(head.readyDescriptor ?? 0);
  to.u32(head.stored ?? 0);
  writeIdentity(to, head.identity);
  writeProcess(to, head.process);
  writeRoot(to, root, trees);
  to.patch(SIZE_OFFSET, to.size);
  return to.finish();
}

function writeRoot(to: BinaryWriter, parts: readonly RootPart[], trees: TreeSource[] | undefined): void {
  const count = (list: keyof RootPart) => parts.reduce((sum, part) => sum + part[list].length, 0);
  to.u32(count('steps'));
  const [first, ...rest] = parts;
  if (first !== undefined) {
    if (rest.length > 0 && trees !== undefined) writeKept(to, first, trees);
    else writeSteps(to, first, trees);
  }
  for (const part of rest) writeSteps(to, part, trees);
  for (const list of ['masked', 'readOnly'] as const) {
    to.u32(count(list));
    for (const part of parts) for (const path of part[list]) to.text(path);
  }
}

function writeSteps(to: BinaryWriter, { steps }: RootPart, trees: TreeSource[] | undefined): void {
  for (const step of steps) writeStep(to, step, trees);
}

/** Steps that come first, so that the numbers of their trees are always the same. */
const kept = new WeakMap<RootPart, { readonly bytes: Uint8Array; readonly trees: readonly TreeSource[] }>();

function writeKept(to: BinaryWriter, part: RootPart, trees: TreeSource[]): void {
  const known = kept.get(part);
  if (known !== undefined) {
    to.raw(known.bytes);
    trees.push(...known.trees);
    return;
  }
  const start = to.size;
  writeSteps(to, part, trees);
  kept.set(part, { bytes: to.copy(start), trees: [...trees] });
}

function writeIdentity(to: BinaryWriter, identity: Identity): void {
  to.u32(id(identity.uid, 'uid'));
  to.u32(id(identity.gid, 'gid'));
  to.list(identity.groups, (group) => to.u32(id(group, 'group')));
  to.u64(capabilityMask(identity.capabilities));
}

/** 2^32 - 1 would mean "leave as it is": root. */
function id(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value < 0xffff_ffff) return value;
  throw badPlan(`${value} is no ${what}`);
}

function logFlag(process: ProcessPlan): number {
  return process.logSyscalls === true ? FLAG.logCalls : 0;
}

function writeProcess(to: BinaryWriter, process: ProcessPlan): void {
  to.u32(process.umask);
  to.i32(process.nice);
  to.i32(process.oomScoreAdj);
  writeRlimits(to, process.rlimits);
  to.text(process.workingDirectory);
  to.bytes(process.seccompProgram);
  to.list(process.argv, (word) => to.text(word));
  to.list(Object.entries(process.env), ([name, value]) => to.text(`${name}=${value}`));
  to.list(programPaths(process), (path) => to.text(path));
}

/** As they were written: daemons have them in common. */
const writtenLimits = new WeakMap<ProcessPlan['rlimits'], Uint8Array>();

function writeRlimits(to: BinaryWriter, rlimits: ProcessPlan['rlimits']): void {
  const known = writtenLimits.get(rlimits);
  if (known !== undefined) {
    to.raw(known);
    return;
  }
  const start = to.size;
  to.list(Object.entries(rlimits), ([name, [soft, hard]]) => {
    const resource = RLIMITS.indexOf(name);
    if (resource < 0) throw badPlan(`\`${name}\` is no resource limit`);
    to.u32(resource);
    to.u64(limit(soft));
    to.u64(limit(hard));
  });
  writtenLimits.set(rlimits, to.copy(start));
}

function limit(value: number): bigint {
  return Number.isFinite(value) ? BigInt(value) : RLIM_INFINITY;
}

/** Where argv[0] is looked for, inside: as execvp, except that empty and relative entries of PATH are left out. Pure. */
export function programPaths(process: ProcessPlan): string[] {
  const [program = ''] = process.argv;
  if (program === '') throw badPlan('there is no command');
  if (program.includes('/')) return [resolve(process.workingDirectory, program)];
  const directories = (process.env.PATH ?? DEFAULT_PATH).split(':').filter((entry) => isAbsolute(entry));
  return (directories.length > 0 ? directories : DEFAULT_PATH.split(':')).map((entry) => posix.join(entry, program));
}

function badPlan(problem: string): MetactlError {
  return new MetactlError(`the plan can't be carried out: ${problem}`, {
    code: 'METACTL_BAD_PLAN',
    step: 'encode plan',
    exitStatus: 78,
  });
}
