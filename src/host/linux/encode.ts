import { randomBytes } from 'node:crypto';
import { isAbsolute, posix, resolve } from 'node:path';
import type { Identity, ProcessPlan, SandboxPlan } from '../../sandbox/plan.ts';
import { MetactlError } from '../../util/error.ts';
import { BinaryWriter } from './binary-writer.ts';
import { capabilityMask } from './capabilities.ts';
import { writeStep } from './encode-steps.ts';

// The layout is native/plan.h's; its version number must go up on both sides with every change.
const MAGIC = 0x4c43544d;
const VERSION = 1;
const SIZE_OFFSET = 8;
const MODE = { run: 1, join: 2 } as const;
const FLAG = { sandboxed: 1, loopback: 2, terminal: 4 } as const;

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
}

/**
 * The plan as metactl-init reads it. Pure but for the random name of the session keyring; may be kept and used for every
 * start of the same plan.
 * @throws MetactlError (78) METACTL_BAD_TEXT, METACTL_UNKNOWN_CAPABILITY, METACTL_BAD_PLAN.
 */
export function encodePlan(plan: SandboxPlan, options: EncodeOptions = {}): Uint8Array {
  const flags =
    (plan.sandboxed ? FLAG.sandboxed : 0) |
    (options.loopback ? FLAG.loopback : 0) |
    (options.terminal ? FLAG.terminal : 0);
  return encode(MODE.run, flags, plan.app, plan.sandboxed ? plan.hostname : '', plan.process, plan.identity, (to) => {
    const { steps, masked, readOnly } = plan.sandboxed ? plan.root : { steps: [], masked: [], readOnly: [] };
    to.list(steps, (step) => writeStep(to, step));
    to.list(masked, (path) => to.text(path));
    to.list(readOnly, (path) => to.text(path));
  });
}

/** A process that enters a running sandbox. */
export function encodeJoin(process: ProcessPlan, identity: Identity, options: EncodeOptions = {}): Uint8Array {
  return encode(MODE.join, options.terminal ? FLAG.terminal : 0, identity.user, '', process, identity, (to) => {
    for (let i = 0; i < 3; i++) to.u32(0);
  });
}

function encode(
  mode: number,
  flags: number,
  app: string,
  hostname: string,
  process: ProcessPlan,
  identity: Identity,
  writeRoot: (to: BinaryWriter) => void,
): Uint8Array {
  const to = new BinaryWriter();
  to.u32(MAGIC);
  to.u32(VERSION);
  to.u32(0);
  to.u32(mode);
  to.u32(flags);
  to.text(hostname);
  // A random part, because a keyring of a known name is joined by everybody who asks for it.
  to.text(`_ses.${app}.${randomBytes(8).toString('hex')}`);
  writeIdentity(to, identity);
  writeProcess(to, process);
  writeRoot(to);
  to.patch(SIZE_OFFSET, to.size);
  return to.finish();
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

function writeProcess(to: BinaryWriter, process: ProcessPlan): void {
  to.u32(process.umask);
  to.i32(process.nice);
  to.i32(process.oomScoreAdj);
  to.list(Object.entries(process.rlimits), ([name, [soft, hard]]) => {
    const resource = RLIMITS.indexOf(name);
    if (resource < 0) throw badPlan(`\`${name}\` is no resource limit`);
    to.u32(resource);
    to.u64(limit(soft));
    to.u64(limit(hard));
  });
  to.text(process.workingDirectory);
  to.bytes(process.seccompProgram);
  to.list(process.argv, (word) => to.text(word));
  to.list(Object.entries(process.env), ([name, value]) => to.text(`${name}=${value}`));
  to.list(programPaths(process), (path) => to.text(path));
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
