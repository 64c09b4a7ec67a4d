import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHITECTURES, architectureNamed } from '../../../../src/sandbox/seccomp/architectures.ts';
import { seccompProgram, summary } from '../../../../src/sandbox/seccomp/index.ts';
import type { Action, Comparison, Rule } from '../../../../src/sandbox/seccomp/profile.ts';
import { DEFAULT_PROFILE } from '../../../../src/sandbox/seccomp/rules.ts';
import { check, decode, run, type Verdict } from './interpreter.ts';

const EPERM: Verdict = { errno: 1 };
const ENOSYS: Verdict = { errno: 38 };
const EAFNOSUPPORT: Verdict = { errno: 97 };
const AUDIT = { x64: 0xc000_003e, arm64: 0xc000_00b7, i386: 0x4000_0003, arm: 0x4000_0028 };

type Arch = 'x64' | 'arm64';
const ARCHS: readonly Arch[] = ['x64', 'arm64'];

function numbersOf(arch: Arch): Readonly<Record<string, number>> {
  return architectureNamed(arch).numbers;
}

/** The verdict on a call by name, made in the architecture's own way. */
function ask(arch: Arch, name: string, ...args: bigint[]): Verdict {
  const number = numbersOf(arch)[name];
  if (number === undefined) throw new Error(`${arch} has no ${name}`);
  return run(seccompProgram(arch), { number, arch: AUDIT[arch], arguments: args }).verdict;
}

/** The tables' own meaning of a call, without any BPF. */
function expected(arch: Arch, number: number, args: readonly bigint[]): Verdict {
  const verdict = (action: Action): Verdict => (action.kind === 'errno' ? { errno: action.errno } : action.kind);
  const holds = ({ argument, mask = 0xffff_ffff, values }: Comparison) =>
    values.some((value) => BigInt(value >>> 0) === ((args[argument] ?? 0n) & BigInt(mask >>> 0) & 0xffff_ffffn));
  const judge = (rule: Rule) => verdict(rule.cases.find(({ when }) => when.every(holds))?.action ?? rule.otherwise);
  const numbers = numbersOf(arch);
  const named = [...DEFAULT_PROFILE.allow, ...DEFAULT_PROFILE.rules.flatMap(({ calls }) => calls)];
  const last = Math.max(...named.map((name) => numbers[name] ?? -1));
  if (number > last) return verdict(DEFAULT_PROFILE.newer);
  if (DEFAULT_PROFILE.allow.some((name) => numbers[name] === number)) return 'allow';
  const rule = DEFAULT_PROFILE.rules.find(({ calls }) => calls.some((name) => numbers[name] === number));
  return rule === undefined ? verdict(DEFAULT_PROFILE.fallback) : judge(rule);
}

describe.each(ARCHS)('the filter of %s', (arch) => {
  const program = seccompProgram(arch);

  it('is one that the kernel takes, far from its limit and shallow', () => {
    check(program);
    expect(program.length / 8).toBeLessThan(150);
    const deepest = Math.max(
      ...Array.from({ length: 600 }, (_, number) => run(program, { number, arch: AUDIT[arch] }).steps),
    );
    expect(deepest).toBeLessThan(24);
  });

  it('says of every number and any arguments what the tables say', () => {
    const interesting = [
      0n,
      1n,
      2n,
      10n,
      16n,
      17n,
      0x5412n,
      0x541cn,
      0x2_0008n,
      0xffff_ffffn,
      0x1000_0000n,
      0x80n,
      0x11n,
    ];
    const lower = fc.oneof(fc.constantFrom(...interesting), fc.bigInt(0n, 0xffff_ffffn));
    const argument = fc.tuple(fc.constantFrom(0n, 1n, 0xffff_ffffn), lower).map(([high, low]) => (high << 32n) | low);
    const all = fc.array(argument, { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 520 }), all, (number, args) => {
        expect(run(program, { number, arch: AUDIT[arch], arguments: args }).verdict).toEqual(
          expected(arch, number, args),
        );
      }),
      { numRuns: 20_000 },
    );
    for (let number = 0; number <= 1024; number += 1) {
      expect(run(program, { number, arch: AUDIT[arch] }).verdict).toEqual(expected(arch, number, []));
    }
  });

  it('kills a process that calls as another architecture', () => {
    const audits = [...Object.values(AUDIT), 0, 0xffff_ffff].filter((audit) => audit !== AUDIT[arch]);
    fc.assert(
      fc.property(fc.constantFrom(...audits), fc.nat(0xffff_ffff), (audit, number) => {
        expect(run(program, { number, arch: audit }).verdict).toBe('kill');
      }),
    );
  });

  it('gives numbers above all it knows ENOSYS', () => {
    const first = numbersOf(arch).removexattrat! + 1;
    fc.assert(
      fc.property(fc.integer({ min: first, max: 0x3fff_ffff }), (number) => {
        expect(run(program, { number, arch: AUDIT[arch] }).verdict).toEqual(ENOSYS);
      }),
    );
    expect(run(program, { number: 0xffff_ffff, arch: AUDIT[arch] }).verdict).toEqual(ENOSYS);
  });

  it('refuses what reaches beyond the sandbox', () => {
    const refused = [
      ...[
        'mount',
        'umount2',
        'pivot_root',
        'chroot',
        'open_tree',
        'move_mount',
        'fsopen',
        'fsconfig',
        'fsmount',
        'fspick',
      ],
      ...['mount_setattr', 'setns', 'unshare', 'sethostname', 'setdomainname', 'bpf', 'perf_event_open', 'userfaultfd'],
      ...['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'add_key', 'request_key', 'keyctl', 'kexec_load'],
      ...['kexec_file_load', 'init_module', 'finit_module', 'delete_module', 'reboot', 'swapon', 'swapoff', 'acct'],
      ...['open_by_handle_at', 'fanotify_init', 'quotactl', 'quotactl_fd', 'syslog', 'settimeofday', 'clock_settime'],
      ...[
        'kcmp',
        'pidfd_getfd',
        'process_madvise',
        'mbind',
        'set_mempolicy',
        'get_mempolicy',
        'move_pages',
        'migrate_pages',
      ],
      ...['vhangup', 'lookup_dcookie', 'nfsservctl', 'lsm_set_self_attr'],
      ...(arch === 'x64'
        ? ['iopl', 'ioperm', 'uselib', 'ustat', 'sysfs', 'create_module', '_sysctl', 'afs_syscall']
        : []),
    ];
    for (const name of refused) expect([name, ask(arch, name)]).toEqual([name, EPERM]);
  });

  it('allows what ordinary programs call', () => {
    const allowed = [
      ...[
        'read',
        'write',
        'openat',
        'mmap',
        'mprotect',
        'futex',
        'execve',
        'wait4',
        'getrandom',
        'epoll_pwait',
        'statx',
      ],
      ...['sendmsg', 'sched_setaffinity', 'memfd_create', 'prlimit64', 'rseq', 'set_robust_list', 'ptrace', 'seccomp'],
      ...['process_vm_readv', 'fchmodat2', 'futex_wait', 'mseal', 'setxattrat', 'pidfd_open', 'landlock_restrict_self'],
      ...(arch === 'x64'
        ? ['open', 'stat', 'fork', 'vfork', 'arch_prctl', 'modify_ldt', 'poll', 'time', 'uretprobe']
        : []),
    ];
    for (const name of allowed) expect([name, ask(arch, name)]).toEqual([name, 'allow']);
  });

  it('lets clone make processes and threads, but no namespace', () => {
    expect(ask(arch, 'clone', 0x11n)).toBe('allow');
    // What pthread_create gives: VM FS FILES SIGHAND THREAD SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID.
    expect(ask(arch, 'clone', 0x3d_0f00n)).toBe('allow');
    for (const bit of [7n, 17n, 25n, 26n, 27n, 28n, 29n, 30n]) {
      expect([bit, ask(arch, 'clone', 0x11n | (1n << bit))]).toEqual([bit, EPERM]);
      // The kernel drops the upper half; so does the filter.
      expect(ask(arch, 'clone', (0xffff_ffffn << 32n) | (1n << bit))).toEqual(EPERM);
      expect(ask(arch, 'clone', 0x11n | (1n << (bit + 32n)))).toBe('allow');
    }
    for (const flags of [0n, 0x11n, 0x1000_0000n]) expect(ask(arch, 'clone3', flags, 88n)).toEqual(ENOSYS);
  });

  it.each(['socket', 'socketpair'])('lets %s make UNIX, INET, INET6 and routing sockets only', (name) => {
    for (const family of [1n, 2n, 10n]) {
      expect(ask(arch, name, family, 1n, 6n)).toBe('allow');
      expect(ask(arch, name, (7n << 32n) | family, 1n, 6n)).toBe('allow');
    }
    expect(ask(arch, name, 16n, 3n, 0n)).toBe('allow');
    expect(ask(arch, name, 16n, 3n, 1n << 32n)).toBe('allow');
    for (const protocol of [2n, 4n, 9n, 12n, 15n, 16n])
      expect(ask(arch, name, 16n, 3n, protocol)).toEqual(EAFNOSUPPORT);
    for (let family = 0n; family < 64n; family += 1n) {
      if ([1n, 2n, 10n, 16n].includes(family)) continue;
      expect([family, ask(arch, name, family, 1n, 0n)]).toEqual([family, EAFNOSUPPORT]);
    }
  });

  it('keeps ioctl from typing into a terminal, whatever the upper half of its argument (CVE-2019-10063)', () => {
    for (const request of [0x5412n, 0x541cn]) {
      expect(ask(arch, 'ioctl', 0n, request)).toEqual(EPERM);
      expect(ask(arch, 'ioctl', 0n, (1n << 32n) | request)).toEqual(EPERM);
      expect(ask(arch, 'ioctl', request, 0x5401n)).toBe('allow');
    }
    for (const request of [0x5401n, 0x5413n, 0x541bn, 0x5421n]) expect(ask(arch, 'ioctl', 0n, request)).toBe('allow');
  });

  it('lets personality ask and choose Linux, but not switch off address randomisation', () => {
    for (const persona of [0n, 8n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn, 0xffff_ffff_ffff_ffffn]) {
      expect(ask(arch, 'personality', persona)).toBe('allow');
    }
    for (const persona of [0x4_0000n, 0x40_0000n, 1n, 0x4_0008n])
      expect(ask(arch, 'personality', persona)).toEqual(EPERM);
  });
});

describe('the second numbering of x86_64', () => {
  it('kills a process that calls by x32 numbers, but not one whose call a tracer skipped', () => {
    const program = seccompProgram('x64');
    for (let number = 0; number < 600; number += 1) {
      expect(run(program, { number: 0x4000_0000 + number, arch: AUDIT.x64 }).verdict).toBe('kill');
    }
    fc.assert(
      fc.property(fc.integer({ min: 0x4000_0000, max: 0xffff_fffe }), (number) => {
        expect(run(program, { number, arch: AUDIT.x64 }).verdict).toBe('kill');
      }),
    );
    expect(run(program, { number: 0xffff_ffff, arch: AUDIT.x64 }).verdict).toEqual(ENOSYS);
    expect(run(program, { number: 521, arch: AUDIT.x64 }).verdict).toEqual(ENOSYS);
  });
});

describe('the tables', () => {
  it('name calls that exist, and each once', () => {
    const names = [...DEFAULT_PROFILE.allow, ...DEFAULT_PROFILE.rules.flatMap(({ calls }) => calls)];
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) {
      expect([name, ARCHITECTURES.some(({ numbers }) => name in numbers)]).toEqual([name, true]);
    }
  });

  it.each([
    ['x64', { read: 0, execve: 59, clone: 56, socket: 41, clone3: 435, uretprobe: 335, removexattrat: 466 }],
    [
      'arm64',
      { io_setup: 0, read: 63, execve: 221, clone: 220, socket: 198, clone3: 435, mmap: 222, removexattrat: 466 },
    ],
  ])('know the numbers of %s', (arch, sample) => {
    const { numbers } = architectureNamed(arch);
    expect(numbers).toMatchObject(sample);
    const values = Object.values(numbers);
    expect(new Set(values).size).toBe(values.length);
  });
});

describe('seccompProgram', () => {
  it('gives everyone bytes of their own', () => {
    const first = seccompProgram('x64');
    const before = [...first];
    first.fill(0);
    expect([...seccompProgram('x64')]).toEqual(before);
  });

  it('refuses an architecture without a table', () => {
    expect(() => seccompProgram('riscv64')).toThrow(
      expect.objectContaining({
        message: 'there is no system call filter for the architecture `riscv64`',
        code: 'METACTL_SECCOMP_ARCHITECTURE',
        exitStatus: 78,
      }),
    );
  });

  it('allows further calls by name, also one with a rule', () => {
    const program = seccompProgram('x64', { allow: ['keyctl', 'personality', 'listns'] });
    check(program);
    const verdict = (number: number, ...args: bigint[]) =>
      run(program, { number, arch: AUDIT.x64, arguments: args }).verdict;
    expect(verdict(250)).toBe('allow');
    expect(verdict(135, 0x4_0000n)).toBe('allow');
    expect(verdict(470)).toBe('allow');
    // As without it: between the profile's last call and this one all are still unknown to it.
    expect(verdict(469)).toEqual(ENOSYS);
    expect(verdict(471)).toEqual(ENOSYS);
    expect(verdict(249)).toEqual(EPERM);
    expect(ask('x64', 'keyctl')).toEqual(EPERM);
  });

  it('refuses a name that no system call has', () => {
    expect(() => seccompProgram('x64', { allow: ['read', 'moutn'] })).toThrow(
      expect.objectContaining({
        message: 'there is no system call `moutn`; did you mean `mount`?',
        code: 'METACTL_UNKNOWN_SYSCALL',
        exitStatus: 78,
      }),
    );
  });

  it('adds nothing by a name that only the other architecture has', () => {
    expect(seccompProgram('arm64', { allow: ['uselib'] })).toEqual(seccompProgram('arm64'));
    expect(seccompProgram('x64', { allow: ['uselib'] })).not.toEqual(seccompProgram('x64'));
  });

  it.each([
    ['clone', 'makes or enters namespaces'],
    ['clone3', 'makes or enters namespaces'],
    ['unshare', 'makes or enters namespaces'],
    ['setns', 'makes or enters namespaces'],
    ['mount', 'changes mounts'],
    ['open_tree_attr', 'changes mounts'],
    ['open_by_handle_at', 'opens files past the mounts'],
    ['bpf', 'runs code in the kernel'],
    ['kexec_load', 'runs code in the kernel'],
    ['reboot', 'acts on the whole machine'],
    ['ioctl', 'types into terminals'],
  ])('refuses to allow %s', (name, reason) => {
    const where = '/n.conf:7: [sandbox] allow-syscalls: ';
    for (const arch of ARCHS) {
      expect(() => seccompProgram(arch, { allow: ['keyctl', name], where })).toThrow(
        expect.objectContaining({
          message: `${where}\`${name}\` can't be allowed: it ${reason}`,
          code: 'METACTL_SYSCALL_REFUSED',
          hint: 'the sandbox rests on it; [sandbox] seccomp = none does without any filter',
          exitStatus: 78,
        }),
      );
    }
  });

  it('is summed up with what it allows beside', () => {
    expect(summary(['keyctl', 'mbind', 'personality'])).toEqual([
      '303 system calls allowed, others EPERM, newer ones ENOSYS',
      'beside them keyctl (kernel keyrings), mbind, personality (also without address randomisation)',
      'clone without new namespaces',
      'clone3 not there (ENOSYS)',
      'socket and socketpair UNIX, INET, INET6 and NETLINK_ROUTE only (EAFNOSUPPORT)',
      'ioctl without TIOCSTI and TIOCLINUX',
      'other architectures and x32 killed',
    ]);
    expect(summary(['socket'])[3]).toBe('clone3 not there (ENOSYS)');
    expect(summary(['socket'])[4]).toBe('socketpair UNIX, INET, INET6 and NETLINK_ROUTE only (EAFNOSUPPORT)');
  });

  it('is summed up in words', () => {
    expect(summary()).toEqual([
      '303 system calls allowed, others EPERM, newer ones ENOSYS',
      'clone without new namespaces',
      'clone3 not there (ENOSYS)',
      'socket and socketpair UNIX, INET, INET6 and NETLINK_ROUTE only (EAFNOSUPPORT)',
      'ioctl without TIOCSTI and TIOCLINUX',
      'personality of Linux only, with address randomisation',
      'other architectures and x32 killed',
    ]);
    expect(decode(seccompProgram('x64')).length).toBeGreaterThan(100);
  });
});
