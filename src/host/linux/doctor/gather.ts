import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import type { NodeConfig } from '../../../config/types.ts';
import type { Paths } from '../../../util/paths.ts';
import type { CgroupFacts } from '../../host.ts';
import type { Published } from '../../published.ts';
import { below, detectCgroups } from '../cgroup/detect.ts';
import { linuxKernel } from '../cgroup/kernel.ts';
import { defaultDevice } from '../default-device.ts';
import { parseLimits } from '../facts.ts';
import { readForeignFirewalls } from '../firewall/read-foreign.ts';
import { readOtherClaims } from '../nft.ts';
import { mountOf, parseMounts } from './check-storage.ts';
import { errorName } from './error-name.ts';
import type { DiskFacts, MachineFacts } from './machine-facts.ts';
import { doctorAddon } from './native.ts';
import { probeNetwork } from './probe-network.ts';

const FILES = [
  '/proc/1/comm',
  '/proc/net/fib_trie',
  '/proc/net/if_inet6',
  '/proc/net/route',
  '/proc/self/mountinfo',
  '/proc/sys/fs/inotify/max_user_instances',
  '/proc/sys/fs/inotify/max_user_watches',
  '/proc/sys/kernel/pid_max',
  '/proc/sys/kernel/threads-max',
  '/proc/sys/net/ipv4/ip_forward',
  '/proc/sys/net/ipv6/conf/all/disable_ipv6',
  '/proc/sys/net/ipv6/conf/all/forwarding',
  '/proc/sys/user/max_user_namespaces',
  '/sys/fs/selinux/enforce',
  '/sys/kernel/security/lockdown',
  '/sys/kernel/security/lsm',
  '/etc/resolv.conf',
  '/run/systemd/resolve/resolv.conf',
];
const OF_UPLINK = ['ipv4/conf/%/forwarding', 'ipv6/conf/%/accept_ra', 'ipv6/conf/%/force_forwarding'];

/** Looks at this machine. Changes nothing and leaves nothing; loads no kernel module. */
export function gatherFacts(paths: Paths, node: NodeConfig, { published, publishedAt }: Published): MachineFacts {
  const root = process.geteuid?.() === 0;
  const uplink = node.uplink ?? defaultDevice(read('/proc/net/route') ?? '');
  const ofUplink = uplink === undefined ? [] : OF_UPLINK.map((path) => `/proc/sys/net/${path.replace('%', uplink)}`);
  const files = [...FILES, ...ofUplink].flatMap((path) => {
    const text = read(path);
    return text === undefined ? [] : [[path, text] as const];
  });
  const cgroup = detectCgroups({ soon: true });
  const disks = [paths.lib, paths.log, paths.run].flatMap(diskOf);
  return {
    root,
    kernel: release(),
    node: process.versions.node,
    probes: { ...probeKernel(), ...probeNetwork(), ...probeFiles(cgroup), ...probeIdmaps(disks) },
    files: Object.fromEntries(files),
    cgroup,
    rlimits: parseLimits(read('/proc/self/limits') ?? ''),
    clock: clock(),
    disks,
    network: { pool: node.pool.length > 0, published, publishedAt, uplink: node.uplink },
    ownForwarding6: isForwarding6Ours(),
    firewalls: readForeignFirewalls(uplink, node.pool.some((word) => word.includes(':')) ? ['ip', 'ip6'] : ['ip']),
  };
}

/** As the nft tables of all roots tell it. */
function isForwarding6Ours(): boolean {
  try {
    return readOtherClaims('').some(({ key, old }) => key === 'net/ipv6/conf/all/forwarding' && old === '0');
  } catch {
    // Without nf_tables there is no metactl that forwards; without root it isn't known.
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    // Absent, or for root only.
    return undefined;
  }
}

function probeKernel(): Record<string, string> {
  const met = Object.entries(doctorAddon().probeKernel());
  return Object.fromEntries(met.map(([name, errno]) => [name, errorName(errno)]));
}

function probeFiles(cgroup: CgroupFacts): Record<string, string> {
  const { unified } = cgroup;
  const tree = unified === undefined ? undefined : below(unified, cgroup.own ?? '/');
  // The root cgroup has no such file; any below it has.
  const places = tree === undefined ? [] : [tree, ...linuxKernel.directories(tree).map((name) => join(tree, name))];
  const kill = places.some((place) => linuxKernel.exists(join(place, 'cgroup.kill'))) ? { 'cgroup.kill': '' } : {};
  return { ...kill, 'write /proc/sys': writable('/proc/sys/net/ipv4/ip_forward') };
}

/** Each kind of file system that apps' files may be on, once: the root's, and that of metactl's own places. */
function probeIdmaps(disks: readonly DiskFacts[]): Record<string, string> {
  const mounts = parseMounts(read('/proc/self/mountinfo') ?? '');
  const places = new Map(
    ['/', ...disks.map(({ existing }) => existing)].flatMap((path) => {
      const mount = mountOf(mounts, path);
      return mount === undefined ? [] : [[mount.fsType, path] as const];
    }),
  );
  const met = doctorAddon().probeIdmaps([...places.values()]);
  return Object.fromEntries([...places.keys()].map((fsType, at) => [`idmap ${fsType}`, errorName(met[at]!)]));
}

function writable(path: string): string {
  try {
    accessSync(path, constants.W_OK);
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO';
  }
}

function clock(): MachineFacts['clock'] {
  try {
    return { synchronised: doctorAddon().clockState().synchronised };
  } catch {
    // A seccomp filter of a container's.
    return undefined;
  }
}

function diskOf(path: string): DiskFacts[] {
  let existing = path;
  while (!existsSync(existing) && existing !== '/') existing = dirname(existing);
  try {
    const { bavail, blocks, bsize, ffree, files } = statfsSync(existing);
    return [{ path, existing, free: bavail * bsize, size: blocks * bsize, inodesFree: ffree, inodes: files }];
  } catch {
    return [];
  }
}
