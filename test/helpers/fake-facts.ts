import type { HostFacts, HostMount, PathState } from '../../src/host/host.ts';

/** A machine for unit tests: an ordinary Debian server unless told otherwise. */
export interface FakeMachine {
  readonly mounts?: readonly HostMount[];
  /** Paths that are there besides the ordinary ones; a string value is a symlink's target. */
  readonly paths?: Readonly<Record<string, PathState | string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly absent?: readonly string[];
  /** Idmapped mounts; yes unless told. */
  readonly idmapped?: boolean;
  /** Paths of which somebody else than root decides what they lead to. */
  readonly decidedByOthers?: readonly string[];
  /** Directories that nobody but root may enter. */
  readonly closed?: readonly string[];
  /** Owners of paths; root's unless told. */
  readonly owners?: Readonly<Record<string, number>>;
}

const ROOT: HostMount = { path: '/', fsType: 'ext4', source: '/dev/vda1', root: '/' };
const ORDINARY: Record<string, PathState | string> = {
  '/etc': 'directory',
  '/etc/passwd': 'file',
  '/etc/group': 'file',
  '/etc/hosts': 'file',
  '/etc/hostname': 'file',
  '/etc/resolv.conf': 'file',
  '/etc/nsswitch.conf': 'file',
  '/etc/metactl': 'directory',
  '/etc/ssh': 'directory',
  '/etc/ssl/private': 'directory',
  '/var/lib/metactl': 'directory',
  '/var/log': 'directory',
  '/var/spool': 'directory',
  '/home': 'directory',
  '/root': 'directory',
  '/srv': 'directory',
};
const STATES: readonly string[] = ['file', 'directory', 'symlink', 'other', 'absent'];

/** Facts of a made-up machine. Pure. */
export function fakeFacts(machine: FakeMachine = {}): HostFacts {
  const paths: Record<string, PathState | string> = { ...ORDINARY, ...machine.paths };
  for (const path of machine.absent ?? []) delete paths[path];
  const v1 = (name: string) => ({ version: 1 as const, mount: `/sys/fs/cgroup/${name}`, mountedWith: name });
  return {
    arch: 'x64',
    mounts: [ROOT, ...(machine.mounts ?? [])],
    state(path) {
      const found = paths[path];
      return found === undefined ? 'absent' : STATES.includes(found) ? (found as PathState) : 'symlink';
    },
    realPath(path) {
      const found = paths[path];
      if (found === undefined) return undefined;
      return STATES.includes(found) ? path : found;
    },
    entries(path, most) {
      const below = Object.keys(paths).filter((name) => name.startsWith(`${path}/`));
      const names = [...new Set(below.map((name) => name.slice(path.length + 1).split('/')[0]!))];
      return names.length > most ? undefined : names;
    },
    decidedByRoot: (path) => !machine.decidedByOthers?.includes(path),
    mayEnter: (path) => !machine.closed?.includes(path),
    idmappedMounts: () => machine.idmapped ?? true,
    owner: (path) => (paths[path] === undefined ? undefined : (machine.owners?.[path] ?? 0)),
    read: (path) => machine.files?.[path] ?? '',
    cgroup: {
      controllers: {
        memory: v1('memory'),
        cpu: v1('cpu'),
        cpuacct: v1('cpuacct'),
        cpuset: v1('cpuset'),
        pids: v1('pids'),
      },
      unified: undefined,
      swapAccounting: true,
      ioWeight: false,
    },
    rlimits: { core: [0, Number.POSITIVE_INFINITY] },
    self: { name: 'root', uid: 0, gid: 0, groups: [] },
    user: (name) =>
      name === 'www-data' ? { name, uid: 33, gid: 33 } : name === 'root' ? { name, uid: 0, gid: 0 } : undefined,
    group: (name) => (name === 'www-data' ? { gid: 33 } : undefined),
  };
}
