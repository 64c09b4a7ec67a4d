import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupController, CgroupFacts } from '../../host.ts';
import { PRIVATE_SOCKET } from '../systemd/private-socket.ts';
import { type CgroupKernel, linuxKernel } from './kernel.ts';

/** f_type of statfs(2), from linux/magic.h. */
export const CGROUP_SUPER_MAGIC = 0x27e0eb;
export const CGROUP2_SUPER_MAGIC = 0x63677270;

/** Controllers a mount option can name (those of CgroupFacts, and the rest, which may be mounted together with them). */
const KNOWN = ['memory', 'cpu', 'cpuacct', 'cpuset', 'pids', 'io', 'blkio', 'freezer'] as const;
type Known = (typeof KNOWN)[number];
const OTHERS = ['devices', 'net_cls', 'net_prio', 'perf_event', 'hugetlb', 'rdma', 'misc', 'dmem'];
const ALL = new Set<string>([...KNOWN, ...OTHERS]);

/** The supervisor moves itself there in a v2 tree, so that the cgroup it was started in can hand on its controllers. */
export const SUPERVISOR_LEAF = 'metactl-supervisor';

export interface CgroupMount {
  readonly version: 1 | 2;
  readonly path: string;
  /** The cgroup that shows there: `/` unless a container runtime mounted only a part. */
  readonly root: string;
  /** v1: the mounted controllers, in the order of the mount options; none for named hierarchies. */
  readonly controllers: readonly string[];
}

/** The cgroup mounts of a mountinfo text (proc_pid_mountinfo(5)), in its order. Pure. */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const [, , , root, path] = (before ?? '').split(' ');
    const [type, , options] = (after ?? '').split(' ');
    if (root === undefined || path === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue;
    const controllers = type === 'cgroup' ? (options ?? '').split(',').filter((word) => ALL.has(word)) : [];
    mounts.push({ version: type === 'cgroup' ? 1 : 2, path: undoEscapes(path), root: undoEscapes(root), controllers });
  }
  return mounts;
}

/** mountinfo writes white space and back-slashes as three octal digits. */
function undoEscapes(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/**
 * The path of the v2 cgroup of a process below the v2 mount, from its /proc/PID/cgroup text; `/` where that can't be told
 * (no v2 line, or a cgroup outside the part that is mounted here). Pure.
 */
export function ownCgroup(procCgroup: string, mountRoot: string): string {
  const line = procCgroup.split('\n').find((text) => text.startsWith('0::'));
  if (line === undefined) return '/';
  const path = line.slice('0::'.length);
  const prefix = mountRoot === '/' ? '' : mountRoot;
  if (path.includes('/..') || (path !== prefix && !path.startsWith(`${prefix}/`))) return '/';
  const own = path.slice(prefix.length).replace(new RegExp(`/${SUPERVISOR_LEAF}$`), '');
  return own === '' ? '/' : own;
}

/** Everything detection looks at. */
export interface CgroupSources {
  readonly mountinfo: string;
  /** /proc/self/cgroup */
  readonly procCgroup: string;
  /** /sys/block/<device>/queue/scheduler of every block device: the one in brackets is in use. */
  readonly schedulers: () => readonly string[];
  readonly root: boolean;
  /** The v2 cgroup whose controllers count; the one of this process unless told. */
  readonly from?: string;
  readonly kernel: Pick<CgroupKernel, 'read' | 'exists' | 'directories' | 'fileSystem'>;
}

/**
 * Which version carries which controller, per controller (hybrid machines have both). A mount that something else was
 * mounted over is told by statfs. @returns facts without controllers where no cgroup file system is mounted.
 */
export function cgroupFacts({ mountinfo, procCgroup, schedulers, root, from, kernel }: CgroupSources): CgroupFacts {
  const mounts = parseCgroupMounts(mountinfo).filter(
    ({ path, version }) => kernel.fileSystem(path) === (version === 1 ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC),
  );
  const controllers: Partial<Record<Known, CgroupController>> = {};
  for (const mount of mounts.filter(({ version }) => version === 1)) {
    for (const name of KNOWN) {
      if (!mount.controllers.includes(name)) continue;
      controllers[name] ??= { version: 1, mount: mount.path, mountedWith: mount.controllers.join(',') };
    }
  }
  const unified = mounts.find(({ version }) => version === 2);
  const own = unified === undefined ? '/' : ownCgroup(procCgroup, unified.root);
  if (unified !== undefined) {
    const controller = { version: 2, mount: unified.path, mountedWith: '' } as const;
    for (const name of (kernel.read(join(unified.path, from ?? own, 'cgroup.controllers')) ?? '').trim().split(' ')) {
      if (!isKnown(name)) continue;
      controllers[name] ??= controller;
      // The v2 cpu controller does the accounting too.
      if (name === 'cpu') controllers.cpuacct ??= controller;
    }
  }
  const ioWeightFile = findIoWeight(controllers, unified?.path, schedulers, kernel);
  return {
    controllers,
    unified: unified?.path,
    swapAccounting: hasSwapAccounting(controllers.memory, own, kernel),
    ioWeight: ioWeightFile !== undefined,
    ...(ioWeightFile === undefined ? {} : { ioWeightFile }),
    own,
    permitted: root,
  };
}

/** A cgroup's directory, without a slash at its end. Pure. */
export function below(mount: string, cgroup: string): string {
  return cgroup === '/' ? mount : join(mount, cgroup);
}

function isKnown(name: string): name is Known {
  return (KNOWN as readonly string[]).includes(name);
}

/** v2 shows its swap files in every cgroup but the root one. */
function hasSwapAccounting(
  memory: CgroupController | undefined,
  own: string,
  kernel: CgroupSources['kernel'],
): boolean {
  if (memory === undefined) return false;
  if (memory.version === 1) return kernel.exists(join(memory.mount, 'memory.memsw.limit_in_bytes'));
  const path = below(memory.mount, own);
  return [path, ...kernel.directories(path).map((name) => join(path, name))].some((directory) =>
    kernel.exists(join(directory, 'memory.swap.max')),
  );
}

/**
 * Weights are obeyed by the BFQ scheduler, if a device uses it (v1 shows BFQ's statistics in the root cgroup, but not its
 * weight), or on v2 by the io.cost model, if it is switched on for a device (`enable=1`; only the root cgroup has the file).
 */
function findIoWeight(
  controllers: CgroupFacts['controllers'],
  unified: string | undefined,
  schedulers: () => readonly string[],
  kernel: CgroupSources['kernel'],
): CgroupFacts['ioWeightFile'] {
  // One file per block device: only where it matters.
  const bfq = () => schedulers().some((text) => text.includes('[bfq]'));
  if (controllers.blkio?.version === 1) {
    const known = kernel.exists(join(controllers.blkio.mount, 'blkio.bfq.io_service_bytes'));
    return known && bfq() ? 'blkio.bfq.weight' : undefined;
  }
  if (controllers.io === undefined || unified === undefined) return undefined;
  if (bfq()) return 'io.bfq.weight';
  return (kernel.read(join(unified, 'io.cost.qos')) ?? '').includes('enable=1') ? 'io.weight' : undefined;
}

/**
 * Looks at this machine. Reads only.
 * @param soon as it will be when systemd has given this process a cgroup of its own: with every controller there is.
 */
export function detectCgroups({ soon = false }: { readonly soon?: boolean } = {}): CgroupFacts {
  return cgroupFacts({
    ...(soon && linuxKernel.exists(PRIVATE_SOCKET) ? { from: '/' } : {}),
    mountinfo: readFileSync('/proc/self/mountinfo', 'utf8'),
    procCgroup: linuxKernel.read('/proc/self/cgroup') ?? '',
    schedulers: schedulersInUse,
    root: process.geteuid?.() === 0,
    kernel: linuxKernel,
  });
}

function schedulersInUse(): string[] {
  const devices = linuxKernel.exists('/sys/block') ? readdirSync('/sys/block') : [];
  return devices.map((device) => linuxKernel.read(`/sys/block/${device}/queue/scheduler`) ?? '');
}
