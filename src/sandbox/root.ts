import { dirname, join } from 'node:path';
import type { CgroupFacts, HostFacts } from '../host/host.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { addDevices } from './devices.ts';
import { HIDDEN, isBelow, systemMounts } from './host-directories.ts';
import { addMounts, type MountRequest } from './mounts.ts';
import { NOTIFY_INSIDE } from './notify.ts';
import { hideOtherApps } from './other-apps.ts';
import type { MountStep, RootPlan } from './plan.ts';
import { RootBuilder } from './root-builder.ts';

/** Kernel files that leak or change the host (runc's list, Docker's additions, nspawn's kallsyms). sandbox.md (a). */
const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kallsyms',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
] as const;
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'] as const;

/** v1 controllers whose files a JVM needs in order to size itself (it ignores the cgroup if one is missing). */
const VISIBLE_CONTROLLERS = ['memory', 'cpu', 'cpuacct', 'cpuset', 'pids'] as const;

const EMPTY_SIZE = 4096;
const RUN_SIZE = 1024 * 1024;

export interface RootInput {
  readonly facts: HostFacts;
  /** Metactl's own directories, covered also under a moved root. */
  readonly covered: readonly string[];
  /** Real path of the app directory, and the symlink that names it (`current`), if it is one. */
  readonly directory: string;
  readonly directoryLink: string | undefined;
  readonly stateDirectory: string;
  /** Which of these two are mounted idmapped. */
  readonly idmapped?: { readonly directory: boolean; readonly stateDirectory: boolean };
  /** The app directory and the state directory, as they are written and as they really are. */
  readonly own: readonly string[];
  /** App directories of the node's other apps, absolute, as they are told. */
  readonly others: readonly string[];
  /** Host directories of the app's shared /tmp and /var/tmp; undefined: the sandbox gets tmpfs of its own. */
  readonly temporary: { readonly tmp: string; readonly varTmp: string };
  /** Generated files of /etc by path. */
  readonly files: Readonly<Record<string, string>>;
  readonly devices: readonly string[];
  /** Where they are set, `file:line: `. */
  readonly devicesPlace: string;
  /** Group of terminals as the host sees it, if it is not the usual one. */
  readonly terminals?: number;
  readonly mounts: readonly MountRequest[];
  /** The daemon's notify socket on the host, if it has one. */
  readonly notify?: string;
}

/** Plans the file system of one sandbox. Pure. @throws MetactlError (78) for a mount that can't be made. */
export function planRoot(input: RootInput): RootPlan {
  const { facts } = input;
  const system = systemMounts(facts);
  const root = new RootBuilder(
    facts,
    system.leftOut.map(({ path }) => path),
  );
  root.common(() => {
    for (const path of ['/', ...system.kept]) root.keep(path, SYSTEM_FLAGS);
    addDevices(root, input.devices, input.devicesPlace, input.terminals);
  });
  addKernelTrees(root, facts.cgroup);
  root.tmpfs('/run', { size: RUN_SIZE, mode: 0o755, seal: true, shared: true, noExec: true });
  // Before anything is hidden below /etc: where this becomes an overlay, it shows the host's /etc without its covers.
  addEtcFiles(root, facts, input.files, system.kept);
  if (input.notify !== undefined) addNotify(root, input.notify);
  // Before metactl's own directories are hidden: those of a root below /tmp are gone with the host's /tmp.
  addTemporary(root, input.temporary);
  root.common(() => hide(root, facts, [...HIDDEN, ...input.covered]));
  const others = hideOtherApps(input);
  const inside = (path: string) => isBelow(path, input.directory);
  hide(
    root,
    facts,
    others.covers.filter((path) => !inside(path)),
  );
  addApp(root, input);
  hide(root, facts, others.covers.filter(inside));
  const files = addMounts(root, facts, input.mounts, input.own);
  const visible = new Set(input.mounts.map((mount) => mount.target));
  return {
    ...root.finish(),
    masked: [...MASKED, ...others.masks.filter((path) => !root.isCovered(path)), ...others.images, ...files],
    readOnly: READ_ONLY,
    leftOut: system.leftOut
      .filter(({ path }) => !visible.has(path) && !input.covered.some((own) => isBelow(path, own)))
      .map(({ path, fsType, source }) => ({ path, fsType, source })),
  };
}

const SYSTEM_FLAGS = { readOnly: true, noSuid: true, noDev: true } as const;

/** /proc and /sys, and the daemon's own cgroup where programs look for it. */
function addKernelTrees(root: RootBuilder, cgroup: CgroupFacts): void {
  root.add({ op: 'sysfs', target: '/sys', shared: true });
  root.add({ op: 'proc', target: '/proc', shared: false });
  const memory = cgroup.controllers.memory ?? cgroup.controllers.pids;
  if (memory?.version === 2) {
    root.add({ op: 'cgroup', target: '/sys/fs/cgroup', version: 2, controllers: '', shared: false });
    return;
  }
  const hierarchies = new Set(
    VISIBLE_CONTROLLERS.map((name) => cgroup.controllers[name])
      .filter((controller) => controller?.version === 1)
      .map((controller) => controller!.mountedWith),
  );
  if (hierarchies.size === 0) return;
  const flags = { noSuid: true, noDev: true, noExec: true };
  root.add({ op: 'tmpfs', target: '/sys/fs/cgroup', size: EMPTY_SIZE, mode: 0o755, shared: true, ...flags });
  root.cover('/sys/fs/cgroup', true, true);
  for (const controllers of hierarchies) {
    const target = join('/sys/fs/cgroup', controllers);
    root.ensure(target, 'directory', true);
    root.add({ op: 'cgroup', target, version: 1, controllers, shared: false });
  }
}

/** Lays empty read-only file systems over what is nobody's business inside. */
function hide(root: RootBuilder, facts: HostFacts, paths: readonly string[]): void {
  for (const path of [...paths].sort((a, b) => a.length - b.length)) {
    if (root.isCovered(path)) continue;
    const real = facts.state(path) === 'absent' ? undefined : (facts.realPath(path) ?? path);
    if (real === undefined || root.isCovered(real) || facts.state(real) !== 'directory') continue;
    root.tmpfs(real, { size: EMPTY_SIZE, mode: 0o755, seal: true, shared: true, noExec: true });
  }
}

/** It is not there yet when this is planned, so nobody is asked what it is. */
function addNotify(root: RootBuilder, source: string): void {
  root.ensure(NOTIFY_INSIDE, 'file', true);
  const flags = { readOnly: true, noSuid: true, noDev: true, noExec: true };
  root.add({ op: 'bind', source, target: NOTIFY_INSIDE, recursive: false, shared: false, ...flags });
}

/** `/tmp` is one per app (the JVM's attach files must be seen by all of its daemons), and so is `/var/tmp`. */
function addTemporary(root: RootBuilder, { tmp, varTmp }: RootInput['temporary']): void {
  const flags = { noSuid: true, noDev: true };
  for (const [source, target] of [
    [tmp, '/tmp'],
    [varTmp, '/var/tmp'],
  ] as const) {
    root.ensure(target, 'directory', true);
    root.add({ op: 'bind', source, target, recursive: false, shared: true, ...flags });
    root.cover(target, false, true);
  }
}

/** The app's own release, read-only, and state, writable, at the same paths as outside. */
function addApp(root: RootBuilder, { directory, directoryLink, stateDirectory, idmapped }: RootInput): void {
  const mapped = (wanted: boolean | undefined) => (wanted ? { idmapped: true } : {});
  root.bind(directory, directory, { ...SYSTEM_FLAGS, ...mapped(idmapped?.directory) });
  const flags = { noSuid: true, noDev: true, ...mapped(idmapped?.stateDirectory) };
  if (!root.bind(stateDirectory, stateDirectory, flags)) {
    // Never without a word: the app would write into nothing, or not at all.
    throw new MetactlError(`the state directory ${stateDirectory} has no place in the sandbox`, {
      code: 'METACTL_MOUNT_POINT',
      path: stateDirectory,
      exitStatus: EXIT.configuration,
    });
  }
  if (directoryLink !== undefined && root.isCovered(directoryLink)) {
    root.ensure(dirname(directoryLink), 'directory', true);
    root.add({ op: 'symlink', target: directoryLink, to: directory, shared: true });
  }
}

/** Directory of the generated files; in /run, which the app can't write. */
const STAGE = '/run/.metactl';

function addEtcFiles(
  root: RootBuilder,
  facts: HostFacts,
  files: Readonly<Record<string, string>>,
  kept: readonly string[],
): void {
  const binds: MountStep[] = [];
  const missing: string[] = [];
  root.ensure(STAGE, 'directory', true);
  for (const [path, content] of Object.entries(files)) {
    const staged = `${STAGE}/${path.slice('/etc/'.length)}`;
    root.add({ op: 'file', target: staged, mode: 0o444, content, shared: true });
    const state = facts.state(path);
    // A dangling symlink (resolv.conf into /run) leads below a cover: there the file can be made.
    const target = state === 'symlink' ? facts.realPath(path) : state === 'absent' ? undefined : path;
    if (target === undefined || (root.isCovered(target) && !root.ensure(target, 'file', true))) missing.push(path);
    else {
      const bind = { source: staged, from: 'inside', target, recursive: false, shared: true, ...SYSTEM_FLAGS } as const;
      binds.push({ op: 'bind', ...bind, noExec: true });
    }
  }
  // Nothing is made on the host's own /etc: where a file is missing there, /etc becomes an overlay that has it.
  if (missing.length > 0) {
    root.add({ op: 'overlay', target: '/etc', lower: [STAGE, '/etc'], shared: true });
    for (const path of kept.filter((mount) => mount.startsWith('/etc/'))) {
      root.add({ op: 'bind', source: path, target: path, recursive: false, shared: true, ...SYSTEM_FLAGS });
    }
  } else for (const bind of binds) root.add(bind);
}
