import type { Finding } from '../../finding.ts';
import { isAtLeast, type MachineFacts, sysctlOf } from './machine-facts.ts';
import { failed, ok, unknown, warning } from './make-finding.ts';

/** RHEL 8's kernel: the oldest that metactl is made for. */
const OLDEST = [4, 18] as const;

/** System calls that an older kernel lacks: since which version, and what is different without. */
const CALLS: Readonly<Record<string, readonly [string, string]>> = {
  clone3: ['5.3', 'clone is used in its place'],
  'clone3 into cgroup': ['5.7', 'on cgroup v2 a daemon enters its cgroup after it was made, which takes longer'],
  openat2: ['5.6', 'paths are walked one directory at a time'],
  open_tree: ['5.2', 'mounts are made by mount(2), and every start builds the whole root'],
  move_mount: ['5.2', 'mounts are made by mount(2), and every start builds the whole root'],
  mount_setattr: ['5.12', 'mount flags are set one mount at a time, and every start builds the whole root'],
  pidfd_open: ['5.3', 'processes are followed by pid and start time'],
  pidfd_send_signal: ['5.1', 'signals go by pid, after its start time was checked'],
  close_range: ['5.9', 'descriptors are closed one by one'],
};

/** The kernel's version and the system calls that depend on it. Pure. */
export function checkKernel(facts: MachineFacts): Finding[] {
  const version = !isAtLeast(facts.kernel, ...OLDEST)
    ? warning(
        'kernel',
        `Linux ${facts.kernel} is older than ${OLDEST.join('.')}, the oldest that metactl is made for`,
        'install a newer kernel of your distribution and boot it',
      )
    : ok('kernel', `Linux ${facts.kernel}`);
  return [version, ...Object.entries(CALLS).flatMap(([name, about]) => call(facts, name, ...about))];
}

function call(facts: MachineFacts, name: string, since: string, without: string): Finding[] {
  const met = facts.probes[`call ${name}`];
  if (met === undefined) return [];
  if (met === '') return [ok(`call ${name}`, 'the kernel has it')];
  return [
    warning(
      `call ${name}`,
      `the kernel answers ${met} (it came with Linux ${since}): ${without}`,
      `boot Linux ${since} or newer, if starts must be as fast as they can be`,
    ),
  ];
}

const NAMESPACES: Readonly<Record<string, string>> = {
  mnt: 'each daemon has mounts of its own',
  pid: 'each daemon sees its own processes only',
  ipc: 'each daemon has its own System V IPC and message queues',
  uts: 'each daemon has its own host name',
  net: 'each app has its own network and address',
  cgroup: 'each daemon sees its own cgroup as the root',
};

/** Namespaces, each made for real in a child that ends at once. Pure. */
export function checkNamespaces(facts: MachineFacts): Finding[] {
  const each = Object.entries(NAMESPACES).map(([kind, meaning]) => {
    const name = `namespace ${kind}`;
    const met = facts.probes[`ns ${kind}`];
    if (met === '') return ok(name, meaning);
    if (met === undefined || (!facts.root && met === 'EPERM')) return unknown(name);
    return failed(name, `it can't be made (${met}), and no sandbox starts without it`, mendNamespace(met), 'sandbox');
  });
  return [...each, checkUserNamespace(facts)];
}

/** What root is refused, and why. Pure. */
function mendNamespace(met: string): string {
  if (met === 'EPERM') {
    return 'this looks like a container without CAP_SYS_ADMIN: run metactl on the host itself, or start the container with --privileged';
  }
  if (met === 'ENOSPC') return 'raise the limits in /proc/sys/user: sysctl -a | grep ^user.max_';
  return 'boot a kernel that was built with namespaces (CONFIG_NAMESPACES and what is below it)';
}

function checkUserNamespace(facts: MachineFacts): Finding {
  const name = 'namespace user';
  const met = facts.probes['ns user'];
  const most = sysctlOf(facts, 'user/max_user_namespaces');
  if (most === '0') {
    return failed(
      name,
      'user.max_user_namespaces is 0: [sandbox] user-namespace = yes is not possible, everything else is',
      'sysctl -w user.max_user_namespaces=15000, and the same line in /etc/sysctl.d/metactl.conf',
      'user-namespace',
    );
  }
  if (met === '')
    return ok(name, `[sandbox] user-namespace is possible (at most ${most ?? 'unlimited'} for each user)`);
  if (met === undefined || (!facts.root && (met === 'EPERM' || met === 'EACCES'))) return unknown(name);
  const mend = met === 'EPERM' ? mendNamespace(met) : 'boot a kernel that was built with CONFIG_USER_NS';
  return failed(
    name,
    `it can't be made (${met}): [sandbox] user-namespace = yes is not possible`,
    mend,
    'user-namespace',
  );
}

/** The system-call filter, installed for real in a child that ends at once. Pure. */
export function checkSeccomp(facts: MachineFacts): Finding[] {
  const filter = facts.probes['seccomp filter'];
  const kill = facts.probes['seccomp kill'];
  const log = facts.probes['seccomp log'];
  if (filter === undefined) return [unknown('seccomp filter')];
  if (filter !== '' || (kill !== undefined && kill !== '')) {
    return [
      failed(
        'seccomp filter',
        `a filter can't be installed (${filter || kill}), and no sandbox starts without it unless [sandbox] seccomp = none`,
        'boot a kernel that was built with CONFIG_SECCOMP_FILTER',
        'sandbox',
      ),
    ];
  }
  const logs =
    log === ''
      ? ok('seccomp log', 'the kernel can log the system call that killed a daemon')
      : warning(
          'seccomp log',
          `the kernel can't log refused calls (${log ?? 'not tried'})`,
          'boot Linux 4.14 or newer',
        );
  return [ok('seccomp filter', 'system calls of each daemon are filtered'), logs];
}
