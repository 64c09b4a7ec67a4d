import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../../src/host/linux/doctor/evaluate.ts';
import type { MachineFacts } from '../../../../src/host/linux/doctor/machine-facts.ts';
import { container, debian12, rhel8, ubuntuDocker } from './machines.ts';

/** `state name` of everything that isn't ok. */
const troubles = (facts: MachineFacts) =>
  evaluate(facts)
    .filter(({ state }) => state !== 'ok')
    .map(({ state, name }) => `${state} ${name}`);

const find = (facts: MachineFacts, name: string) => evaluate(facts).find((finding) => finding.name === name)!;
const withFile = (facts: MachineFacts, path: string, text: string): MachineFacts => ({
  ...facts,
  files: { ...facts.files, [path]: text },
});
const withProbe = (facts: MachineFacts, name: string, met: string): MachineFacts => ({
  ...facts,
  probes: { ...facts.probes, [name]: met },
});

describe('what a machine can do', () => {
  it('has one line for each capability, each name once, and a way out of everything that is wrong', () => {
    for (const facts of [debian12, rhel8, ubuntuDocker, container]) {
      const findings = evaluate(facts);
      const names = findings.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      for (const { state, mend, stops = [], meaning } of findings) {
        expect(mend !== undefined).toBe(state !== 'ok');
        expect(stops.length > 0).toBe(state === 'failed');
        expect(meaning).not.toMatch(/undefined|NaN|\n/);
      }
    }
  });

  it('finds nothing to mend on a fresh Debian 12', () => {
    expect(troubles(debian12)).toEqual([]);
    expect(find(debian12, 'cgroups').meaning).toBe('version 2');
    const forwards = { ...debian12.files, '/proc/sys/net/ipv6/conf/all/forwarding': '1' };
    const advertised = Object.keys(forwards).find((path) => path.endsWith('/accept_ra'));
    const router = { ...debian12, files: { ...forwards, ...(advertised === undefined ? {} : { [advertised]: '2' }) } };
    expect(find(router, 'IPv6 forwarding').meaning).toBe('somebody has switched it on for the whole machine');
    expect(find({ ...router, ownForwarding6: true }, 'IPv6 forwarding').meaning).toMatch(
      /^metactl has switched it on for its apps, and drops what else would be forwarded/,
    );
    const upstart = { ...debian12, files: { ...debian12.files, '/proc/1/comm': 'init' } };
    expect(find(upstart, 'init').meaning).toBe(
      'PID 1 is init, not systemd: metactl start has apps in the background, but none of them starts at boot by itself',
    );
    expect(find(debian12, 'cgroup memory').meaning).toBe(
      'version 2 at /sys/fs/cgroup: memory-max and memory-high are enforced',
    );
    expect(find(debian12, 'link dummy').meaning).toMatch(/module that isn't loaded/);
  });

  it('knows RHEL 8', () => {
    expect(troubles(rhel8)).toEqual([
      'warning call clone3',
      'warning call clone3 into cgroup',
      'warning call openat2',
      'warning call mount_setattr',
      'warning call close_range',
      'failed namespace user',
      'warning cgroup io',
      'warning firewall inet firewalld filter_FORWARD',
      'warning security modules',
    ]);
    expect(find(rhel8, 'namespace user')).toMatchObject({
      stops: ['user-namespace'],
      mend: 'sysctl -w user.max_user_namespaces=15000, and the same line in /etc/sysctl.d/metactl.conf',
    });
    expect(find(rhel8, 'cgroup memory').meaning).toBe(
      'version 1 at /sys/fs/cgroup/memory: memory-max is enforced, memory-high needs version 2',
    );
    expect(find(rhel8, 'uplink').meaning).toBe('ens192, as configured: the pool is reached by it');
    expect(find({ ...debian12, network: { ...debian12.network, published: true } }, 'uplink').meaning).toBe(
      'ens3, the device of the default route: without [network] pool apps are reached by the ports that they publish',
    );
  });

  it('knows Ubuntu with Docker and ufw', () => {
    expect(troubles(ubuntuDocker)).toEqual([
      'warning cgroup io',
      'warning IPv6 forwarding',
      'warning firewall ip filter FORWARD',
      'warning disk /var/lib/metactl',
      'failed disk /run/metactl',
    ]);
    expect(find(ubuntuDocker, 'cgroup delegation').meaning).toMatch(
      /^from this login session \(\/user\.slice\/\S+\) `run` asks systemd for a scope of its own$/,
    );
    expect(find(ubuntuDocker, 'resolver')).toEqual({
      name: 'resolver',
      state: 'ok',
      meaning:
        "the host asks itself (127.0.0.53), which apps can't: they get systemd-resolved's own, 192.0.2.1 192.0.2.2",
    });
    expect(find(ubuntuDocker, 'firewall ip filter FORWARD')).toMatchObject({
      meaning: "Docker's firewall (ip filter, chain FORWARD) drops connections of apps to other machines",
    });
  });

  it('knows a container without CAP_SYS_ADMIN', () => {
    expect(troubles(container)).toEqual([
      'failed namespace mnt',
      'failed namespace pid',
      'failed namespace ipc',
      'failed namespace uts',
      'failed namespace net',
      'failed namespace cgroup',
      'failed namespace user',
      'warning cgroups',
      'failed link veth',
      'failed nf_tables',
      'failed nft fib',
      'warning nft nat',
      'failed nft sets',
      'failed forwarding',
      'warning other firewalls',
    ]);
    expect(find(container, 'namespace pid').mend).toContain('--privileged');
  });

  it('does not know for users what only root may try', () => {
    const user = { ...container, root: false };
    expect(evaluate(user).filter(({ state }) => state === 'failed')).toEqual([]);
    expect(troubles(user)).toContain('unknown namespace pid');
    expect(troubles(user)).toContain('unknown other firewalls');
  });
});

describe('single capabilities', () => {
  it.each<[string, MachineFacts, string, string]>([
    ['an old kernel', { ...debian12, kernel: '3.10.0-1160.el7.x86_64' }, 'kernel', 'warning'],
    ['an old Node', { ...debian12, node: '18.19.0' }, 'Node', 'failed'],
    ['Node of the same major version', { ...debian12, node: '20.18.3' }, 'Node', 'failed'],
    ['a newer Node', { ...debian12, node: '24.1.0' }, 'Node', 'ok'],
    ['a kernel without filters', withProbe(debian12, 'seccomp filter', 'EINVAL'), 'seccomp filter', 'failed'],
    ['a kernel that can’t log', withProbe(debian12, 'seccomp log', 'EOPNOTSUPP'), 'seccomp log', 'warning'],
    ['a kernel without veth', withProbe(debian12, 'link veth', 'EOPNOTSUPP'), 'link veth', 'failed'],
    ['a kernel before 5.6', withProbe(debian12, 'nft sets', 'EINVAL'), 'nft sets', 'failed'],
    ['a kernel without fib', withProbe(debian12, 'nft fib', 'ENOENT'), 'nft fib', 'failed'],
    ['a clock that drifts', { ...debian12, clock: { synchronised: false } }, 'time', 'warning'],
    ['a clock that can’t be asked', { ...debian12, clock: undefined }, 'time', 'ok'],
    ['few descriptors', { ...debian12, rlimits: { nofile: [1024, 1024] } }, 'open files', 'warning'],
    ['few processes', withFile(debian12, '/proc/sys/kernel/pid_max', '4096'), 'processes', 'warning'],
    [
      'few inotify instances',
      withFile(debian12, '/proc/sys/fs/inotify/max_user_instances', '16'),
      'inotify',
      'warning',
    ],
    ['no resolver', withFile(debian12, '/etc/resolv.conf', '# empty'), 'resolver', 'warning'],
    ['a loopback resolver', withFile(debian12, '/etc/resolv.conf', 'nameserver ::1'), 'resolver', 'warning'],
    [
      'a pool without a default route',
      { ...withFile(debian12, '/proc/net/route', ''), network: { pool: true, uplink: undefined } },
      'uplink',
      'failed',
    ],
    ['no default route', withFile(debian12, '/proc/net/route', ''), 'uplink', 'ok'],
    ['an uplink that is gone', { ...debian12, network: { pool: true, uplink: 'ens9' } }, 'uplink', 'failed'],
    [
      'no /proc',
      withFile(debian12, '/proc/self/mountinfo', '28 1 254:1 / / rw - ext4 /dev/vda1 rw'),
      '/proc',
      'failed',
    ],
  ])('%s', (_, facts, name, state) => {
    expect(find(facts, name).state).toBe(state);
  });

  it('a full disk stops every app', () => {
    const full = { ...debian12, disks: [{ ...debian12.disks[0]!, free: 4096 }] };
    expect(find(full, 'disk /var/lib/metactl')).toMatchObject({ state: 'failed', stops: ['any'] });
    const dynamic = { ...debian12, disks: [{ ...debian12.disks[0]!, inodes: 0, inodesFree: 0 }] };
    expect(find(dynamic, 'disk /var/lib/metactl').meaning).toBe('10 GiB of 20 GiB free');
  });

  it('sees how volumes are mounted', () => {
    const mounts = (line: string) =>
      withFile(debian12, '/proc/self/mountinfo', `${debian12.files['/proc/self/mountinfo']}\n${line}`);
    expect(
      find(mounts('40 28 254:2 / /var rw,nosuid,noexec - xfs /dev/vdb rw'), 'mount /var/lib/metactl'),
    ).toMatchObject({
      state: 'warning',
      mend: 'mount -o remount,exec /var',
    });
    expect(find(mounts('40 28 254:2 / /var ro - xfs /dev/vdb ro'), 'mount /var/lib/metactl')).toMatchObject({
      state: 'failed',
      stops: ['any'],
    });
    expect(find(mounts('40 28 0:21 / /proc rw - proc proc rw,hidepid=invisible'), '/proc').meaning).toMatch(
      /^hidepid=inv/,
    );
    expect(find(mounts('40 28 254:2 / /a\\040b rw - xfs /dev/vdb rw'), 'mount /var/lib/metactl').state).toBe('ok');
  });

  it('knows which file systems take idmapped mounts', () => {
    expect(find(withProbe(debian12, 'idmap ext4', ''), 'idmapped mounts ext4').state).toBe('ok');
    const nfs = find(withProbe(debian12, 'idmap nfs4', 'EINVAL'), 'idmapped mounts nfs4');
    expect(nfs.state).toBe('warning');
    expect(nfs.meaning).toBe(
      "files on nfs4 can't be shown under other ids (EINVAL), which [sandbox] user-namespace = yes needs",
    );
    const user = withProbe({ ...debian12, root: false }, 'idmap ext4', 'EPERM');
    expect(find(user, 'idmapped mounts ext4').state).toBe('unknown');
  });

  it('knows whether this host has the addresses that ports are published at', () => {
    const trie = [
      'Local:',
      '  +-- 0.0.0.0/0 3 0 5',
      '     +-- 127.0.0.0/8 2 0 2',
      '           |-- 127.0.0.0',
      '              /8 host LOCAL',
      '           |-- 127.0.0.1',
      '              /32 host LOCAL',
      '        +-- 192.0.2.0/30 2 0 2',
      '           |-- 192.0.2.0',
      '              /24 link UNICAST',
      '           |-- 192.0.2.2',
      '              /32 host LOCAL',
    ].join('\n');
    const inet6 = '20010db8000000000000000000000002 02 40 00 80     ens3';
    const at = (address: string, word = `${address}:8080:80`, app = 'shop') => ({ app, word, address });
    const facts = (...publishedAt: ReturnType<typeof at>[]) => ({
      ...withFile(withFile(debian12, '/proc/net/fib_trie', trie), '/proc/net/if_inet6', inet6),
      network: { ...debian12.network, published: true, publishedAt },
    });
    for (const address of ['192.0.2.2', '127.0.0.1', '127.1.2.3', '2001:db8::2']) {
      expect(find(facts(at(address)), `published ${address}`)).toEqual({
        name: `published ${address}`,
        state: 'ok',
        meaning: 'this host has it',
      });
    }
    const two = facts(at('192.0.2.77'), at('192.0.2.77', '192.0.2.77:53:53/udp', 'names'), at('192.0.2.0'));
    expect(troubles(two)).toEqual(['warning published 192.0.2.77', 'warning published 192.0.2.0']);
    expect(find(two, 'published 192.0.2.77')).toMatchObject({
      meaning:
        "no device of this host that is up has this address: unless packets for it are routed here, nobody gets to shop's 192.0.2.77:8080:80, names's 192.0.2.77:53:53/udp",
      mend: 'ip address add 192.0.2.77/24 dev DEVICE, or publish at an address that ip -br address shows; one that moves between hosts may come later',
    });
    const six = facts(at('2001:db8::7', '[2001:db8::7]:8080:80'));
    expect(find(six, 'published 2001:db8::7').mend).toMatch(/^ip address add 2001:db8::7\/64 dev DEVICE, or /);
    // Nothing is said where nothing is known.
    expect(find({ ...debian12, network: two.network }, 'published 192.0.2.77')).toBeUndefined();
  });

  it('stops only apps with a firewall on a kernel without the sets that it needs', () => {
    expect(find(withProbe(debian12, 'nft sets', 'EINVAL'), 'nft sets')).toEqual({
      name: 'nft sets',
      state: 'failed',
      meaning: 'the kernel refuses it (EINVAL), and it is needed for apps with [firewall.out] policy',
      mend: 'boot Linux 5.6 or newer',
      stops: ['firewall'],
    });
  });

  it('says what a missing controller means', () => {
    const { memory, ...controllers } = debian12.cgroup.controllers;
    expect(memory).toBeDefined();
    const without = { ...debian12, cgroup: { ...debian12.cgroup, controllers } };
    expect(find(without, 'cgroup memory')).toEqual({
      name: 'cgroup memory',
      state: 'warning',
      meaning:
        "there is no memory controller: apps that set memory-max and memory-high don't start unless [sandbox] best-effort = yes",
      mend: 'boot with cgroup_enable=memory, or hand it down (Debian and Raspberry Pi kernels may leave it out), and look at /proc/cgroups',
    });
  });
});
