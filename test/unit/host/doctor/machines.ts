import type { CgroupFacts } from '../../../../src/host/host.ts';
import type { MachineFacts } from '../../../../src/host/linux/doctor/machine-facts.ts';

/** Facts of machines, as `gatherFacts` gives them there. */

const CALLS = [
  'clone3',
  'clone3 into cgroup',
  'openat2',
  'open_tree',
  'move_mount',
  'mount_setattr',
  'pidfd_open',
  'pidfd_send_signal',
  'close_range',
];
const NAMESPACES = ['mnt', 'pid', 'ipc', 'uts', 'net', 'cgroup', 'user'];
const REST = [
  'seccomp filter',
  'seccomp kill',
  'seccomp log',
  'link veth',
  'link bridge',
  'nf_tables',
  'nft fib',
  'nft nat',
  'nft sets',
];

const all = (names: readonly string[], met: string) => Object.fromEntries(names.map((name) => [name, met]));
const call = (name: string) => `call ${name}`;
const ns = (name: string) => `ns ${name}`;
const EVERYTHING = {
  ...all(CALLS.map(call), ''),
  ...all(NAMESPACES.map(ns), ''),
  ...all(REST, ''),
  'link dummy': 'module',
  'cgroup.kill': '',
  'write /proc/sys': '',
};

const v2: CgroupFacts = {
  controllers: Object.fromEntries(
    ['memory', 'cpu', 'cpuacct', 'pids', 'io'].map((name) => [
      name,
      { version: 2, mount: '/sys/fs/cgroup', mountedWith: '' } as const,
    ]),
  ),
  unified: '/sys/fs/cgroup',
  swapAccounting: true,
  ioWeight: true,
  ioWeightFile: 'io.bfq.weight',
  own: '/system.slice/metactl.service',
  permitted: true,
};

const GIB = 2 ** 30;
const disk = (path: string) => ({
  path,
  existing: path,
  free: 10 * GIB,
  size: 20 * GIB,
  inodesFree: 1_000_000,
  inodes: 1_310_720,
});

const MOUNTS = [
  '23 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw',
  '28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro',
  '26 28 0:24 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=402040k,mode=755',
].join('\n');
const ROUTE = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
ens3\t00000000\t0102000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
ens3\t0002000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0`;

/** Debian 12 as installed: cgroup v2 only, nothing else on it, under a unit. */
export const debian12: MachineFacts = {
  root: true,
  kernel: '6.1.0-18-amd64',
  node: '20.19.2',
  probes: EVERYTHING,
  files: {
    '/proc/1/comm': 'systemd',
    '/proc/net/route': ROUTE,
    '/proc/self/mountinfo': MOUNTS,
    '/proc/sys/fs/inotify/max_user_instances': '128',
    '/proc/sys/fs/inotify/max_user_watches': '29424',
    '/proc/sys/kernel/pid_max': '4194304',
    '/proc/sys/kernel/threads-max': '30947',
    '/proc/sys/net/ipv4/ip_forward': '0',
    '/proc/sys/net/ipv4/conf/ens3/forwarding': '0',
    '/proc/sys/net/ipv6/conf/all/disable_ipv6': '0',
    '/proc/sys/net/ipv6/conf/all/forwarding': '0',
    '/proc/sys/net/ipv6/conf/ens3/accept_ra': '0',
    '/proc/sys/user/max_user_namespaces': '15473',
    '/sys/kernel/security/lockdown': '[none] integrity confidentiality',
    '/sys/kernel/security/lsm': 'lockdown,capability,landlock,yama,apparmor,tomoyo,bpf',
    '/etc/resolv.conf': 'search example.org\nnameserver 192.0.2.53',
  },
  cgroup: v2,
  rlimits: { nofile: [1024, 524_288] },
  clock: { synchronised: true },
  disks: ['/var/lib/metactl', '/var/log/metactl', '/run/metactl'].map(disk),
  network: { pool: false, uplink: undefined },
  firewalls: [],
};

const v1 = (names: readonly string[]): CgroupFacts['controllers'] =>
  Object.fromEntries(
    names.map((name) => [name, { version: 1, mount: `/sys/fs/cgroup/${name}`, mountedWith: name } as const]),
  );

/** RHEL 8: Linux 4.18, cgroup v1, SELinux, user namespaces off, firewalld, a pool on a device by name. */
export const rhel8: MachineFacts = {
  ...debian12,
  kernel: '4.18.0-513.5.1.el8_9.x86_64',
  probes: {
    ...EVERYTHING,
    ...all(['clone3', 'clone3 into cgroup', 'openat2', 'mount_setattr', 'close_range'].map(call), 'ENOSYS'),
    'ns user': 'ENOSPC',
  },
  files: {
    ...debian12.files,
    '/proc/sys/user/max_user_namespaces': '0',
    '/sys/fs/selinux/enforce': '1',
    '/sys/kernel/security/lsm': 'capability,yama,selinux',
    '/proc/sys/net/ipv4/conf/ens192/forwarding': '0',
  },
  cgroup: {
    controllers: v1(['memory', 'cpu', 'cpuacct', 'cpuset', 'pids', 'blkio', 'freezer']),
    unified: undefined,
    swapAccounting: true,
    ioWeight: false,
    own: '/',
    permitted: true,
  },
  network: { pool: true, uplink: 'ens192' },
  firewalls: [
    {
      tool: 'firewalld',
      family: 'inet',
      table: 'firewalld',
      chain: 'filter_FORWARD',
      legacy: false,
      hook: 'forward',
      outgoing: 'dropped',
      incoming: 'dropped',
    },
  ],
};

/** Ubuntu 22.04 with Docker and ufw, systemd-resolved, from a login session, its disk nearly full. */
export const ubuntuDocker: MachineFacts = {
  ...debian12,
  kernel: '5.15.0-91-generic',
  files: {
    ...debian12.files,
    '/proc/sys/net/ipv4/ip_forward': '1',
    '/proc/sys/net/ipv6/conf/all/forwarding': '1',
    '/proc/sys/net/ipv6/conf/ens3/accept_ra': '1',
    '/etc/resolv.conf': 'nameserver 127.0.0.53\noptions edns0 trust-ad',
    '/run/systemd/resolve/resolv.conf': 'nameserver 192.0.2.1\nnameserver 192.0.2.2',
  },
  cgroup: { ...v2, own: '/user.slice/user-0.slice/session-3.scope', ioWeight: false },
  disks: [
    { ...disk('/var/lib/metactl'), free: GIB / 2 },
    { ...disk('/run/metactl'), inodesFree: 0 },
  ],
  firewalls: [
    {
      tool: 'Docker',
      family: 'ip',
      table: 'filter',
      chain: 'FORWARD',
      legacy: false,
      hook: 'forward',
      outgoing: 'dropped',
      incoming: 'depends',
    },
  ],
};

/** Root in a container of Docker's: no CAP_SYS_ADMIN, /proc/sys read-only, no cgroup tree of its own, no rules to be read. */
export const container: MachineFacts = {
  ...debian12,
  probes: {
    ...all(CALLS.map(call), ''),
    ...all(NAMESPACES.map(ns), 'EPERM'),
    'ns user': 'EPERM',
    ...all(['seccomp filter', 'seccomp kill', 'seccomp log'], ''),
    ...all(['link veth', 'link bridge', 'link dummy', 'nf_tables', 'nft fib', 'nft nat', 'nft sets'], 'EPERM'),
    'write /proc/sys': 'EROFS',
  },
  files: { ...debian12.files, '/proc/1/comm': 'bash' },
  cgroup: { controllers: {}, unified: undefined, swapAccounting: false, ioWeight: false, own: '/', permitted: true },
  firewalls: undefined,
};
