import { posix } from 'node:path';
import type { MountFlags, MountStep } from '../../sandbox/plan.ts';
import type { BinaryWriter } from './binary-writer.ts';

// native/plan.h: StepOp and StepFlag.
const OP = { bind: 1, mount: 2, remount: 3, overlay: 4, mkdir: 5, file: 6, symlink: 7, device: 8 } as const;
const BIND = { recursive: 0x100, inside: 0x200, idmapped: 0x400 } as const;

type StepOf<Op extends MountStep['op']> = Extract<MountStep, { op: Op }>;
type Mounted = StepOf<'tmpfs' | 'proc' | 'sysfs' | 'devpts' | 'mqueue' | 'cgroup'>;

/** A file system to be mounted: what mount(2) is given. */
interface FileSystem {
  readonly type: string;
  readonly flags: MountFlags;
  readonly data: string;
}

const SEALED = { readOnly: true, noSuid: true, noDev: true, noExec: true } as const;
const INERT = { noSuid: true, noDev: true, noExec: true } as const;

/** A host mount to be cloned before metactl-init leaves the host's mount namespace. */
export interface TreeSource {
  readonly path: string;
  readonly recursive: boolean;
  /** MOUNT_ATTR_* */
  readonly attributes: number;
  /** Its ids are shown as `SpawnOptions.idmap` maps them. */
  readonly idmapped: boolean;
}

const NO_TREE = 0xffff_ffff;

/** Steps as they were written: the daemons of an app have most of them in common, and a hundred may be started at once. */
const written = new WeakMap<MountStep, Uint8Array>();

/**
 * Writes one step as native/plan.cc reads it. With `trees`, host binds are collected there, to be handed over as detached
 * trees; without, metactl-init opens them itself.
 */
export function writeStep(to: BinaryWriter, step: MountStep, trees: TreeSource[] | undefined): void {
  if (step.op !== 'bind') {
    writeKnown(to, step);
    return;
  }
  writeWithoutTree(to, step);
  if (trees === undefined || step.from === 'inside') to.u32(NO_TREE);
  else {
    const { source: path, recursive, idmapped = false } = step;
    to.u32(trees.push({ path, recursive, attributes: attributes(step), idmapped }) - 1);
  }
}

function writeKnown(to: BinaryWriter, step: MountStep): void {
  const known = written.get(step);
  if (known !== undefined) {
    to.raw(known);
    return;
  }
  const start = to.size;
  writeWithoutTree(to, step);
  written.set(step, to.copy(start));
}

function writeWithoutTree(to: BinaryWriter, step: MountStep): void {
  switch (step.op) {
    case 'bind': {
      const how =
        (step.recursive ? BIND.recursive : 0) |
        (step.from === 'inside' ? BIND.inside : 0) |
        (step.idmapped ? BIND.idmapped : 0);
      begin(to, OP.bind, attributes(step) | how, step.target);
      to.text(step.source);
      break;
    }
    case 'remount':
      begin(to, OP.remount, attributes(step), step.target);
      break;
    case 'overlay':
      begin(to, OP.overlay, attributes({ readOnly: true, noSuid: true, noDev: true }), step.target);
      to.list(step.lower, (path) => to.text(path));
      break;
    case 'mkdir':
    case 'file':
    case 'symlink':
    case 'device':
      begin(to, OP[step.op], 0, posix.dirname(step.target));
      to.text(posix.basename(step.target));
      writeMade(to, step);
      break;
    default: {
      const { type, flags, data } = fileSystem(step);
      begin(to, OP.mount, attributes(flags), step.target);
      to.text(type);
      to.text(data);
    }
  }
}

function begin(to: BinaryWriter, op: number, flags: number, target: string): void {
  to.u32(op);
  to.u32(flags);
  to.text(target);
}

function writeMade(to: BinaryWriter, step: StepOf<'mkdir' | 'file' | 'symlink' | 'device'>): void {
  switch (step.op) {
    case 'mkdir':
      to.u32(step.mode);
      to.u32(step.uid ?? 0);
      to.u32(step.gid ?? 0);
      break;
    case 'file':
      to.u32(step.mode);
      to.bytes(Buffer.from(step.content));
      break;
    case 'symlink':
      to.text(step.to);
      break;
    case 'device':
      to.u32(step.mode);
      to.u32(step.major);
      to.u32(step.minor);
      break;
  }
}

function fileSystem(step: Mounted): FileSystem {
  switch (step.op) {
    case 'tmpfs':
      return { type: 'tmpfs', flags: step, data: tmpfsData(step) };
    case 'sysfs':
      return { type: 'sysfs', flags: SEALED, data: '' };
    case 'devpts':
      // gid 5 is `tty` wherever glibc's grantpt works [runtime-spec, Default Devices].
      return {
        type: 'devpts',
        flags: { noSuid: true, noExec: true },
        data: `newinstance,ptmxmode=0666,mode=0620,gid=${step.gid ?? 5}`,
      };
    case 'cgroup':
      return step.version === 2
        ? { type: 'cgroup2', flags: SEALED, data: '' }
        : { type: 'cgroup', flags: SEALED, data: step.controllers };
    default:
      return { type: step.op, flags: INERT, data: '' };
  }
}

/** MOUNT_ATTR_RDONLY, _NOSUID, _NODEV, _NOEXEC. */
function attributes(flags: MountFlags): number {
  return (flags.readOnly ? 1 : 0) | (flags.noSuid ? 2 : 0) | (flags.noDev ? 4 : 0) | (flags.noExec ? 8 : 0);
}

function tmpfsData(step: StepOf<'tmpfs'>): string {
  const options = [`size=${step.size}`, `mode=${step.mode.toString(8)}`];
  if (step.inodes !== undefined) options.push(`nr_inodes=${step.inodes}`);
  if (step.uid !== undefined) options.push(`uid=${step.uid}`);
  if (step.gid !== undefined) options.push(`gid=${step.gid}`);
  return options.join(',');
}
