import { describe, expect, it } from 'vitest';
import { BinaryWriter } from '../../../src/host/linux/binary-writer.ts';
import { capabilityMask } from '../../../src/host/linux/capabilities.ts';
import {
  encodeJoin,
  encodePlan,
  encodeStaged,
  encodeUserNamespace,
  programPaths,
} from '../../../src/host/linux/encode.ts';
import { launchError } from '../../../src/host/linux/launch-error.ts';
import { readErrorRecord, readStatusRecords } from '../../../src/host/linux/records.ts';
import type { MountStep } from '../../../src/sandbox/plan.ts';
import { identity, processPlan, sandboxPlan } from '../../fixtures/native/plan.ts';

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

describe('encodePlan', () => {
  it('begins with magic, version, total size, mode and flags', () => {
    const bytes = Buffer.from(encodePlan(sandboxPlan(['true']), { loopback: true }));
    expect(bytes.toString('latin1', 0, 4)).toBe('MTCL');
    expect(bytes.readUInt32LE(8)).toBe(bytes.length);
    expect([bytes.readUInt32LE(12), bytes.readUInt32LE(16)]).toEqual([1, 1 | 2]);
    const joined = Buffer.from(encodeJoin(processPlan(['true']), identity(), { terminal: true }));
    expect([joined.readUInt32LE(12), joined.readUInt32LE(16)]).toEqual([2, 4]);
  });

  it('is the same for the same plan', () => {
    const plan = sandboxPlan(['sh', '-c', 'true']);
    const [first, second] = [encodePlan(plan), encodePlan(plan)];
    expect(textOf(first)).toBe(textOf(second));
  });

  it('hands file systems, types and options to the kernel as they are', () => {
    const steps: MountStep[] = [
      { op: 'tmpfs', target: '/t', size: 4096, mode: 0o1777, inodes: 9, uid: 7, gid: 8, shared: false },
      { op: 'cgroup', target: '/c', version: 1, controllers: 'cpu,cpuacct', shared: false },
      { op: 'cgroup', target: '/u', version: 2, controllers: '', shared: false },
      { op: 'devpts', target: '/p', shared: false },
    ];
    const plan = sandboxPlan(['true']);
    const text = textOf(encodePlan({ ...plan, root: { ...plan.root, steps } }));
    for (const part of [
      'size=4096,mode=1777,nr_inodes=9,uid=7,gid=8',
      'cgroup\0\v\0\0\0cpu,cpuacct',
      'cgroup2\0',
      'newinstance',
    ]) {
      expect(text).toContain(part);
    }
  });

  it('says who enters the user namespace, and which binds are idmapped', () => {
    const namespace = { first: 589_824, uids: [], gids: [], stateOwner: { uid: 1, gid: 1 } };
    const flags = (bytes: Uint8Array) => Buffer.from(bytes).readUInt32LE(16);
    expect(flags(encodePlan(sandboxPlan(['true'], { userNamespace: namespace })))).toBe(1 | 32);
    expect(flags(encodePlan(sandboxPlan(['true'], { sandboxed: false, userNamespace: namespace })))).toBe(0);
    expect(flags(encodeJoin(processPlan(['true']), identity(), { userNamespace: true }))).toBe(32);
    expect(Buffer.from(encodeUserNamespace()).readUInt32LE(12)).toBe(4);
    const plan = sandboxPlan(['true']);
    const bind = { op: 'bind', source: '/a', target: '/a', recursive: false, shared: true } as const;
    const root = {
      ...plan.root,
      steps: [bind, { ...bind, idmapped: true }, { op: 'devpts', target: '/p', gid: 99, shared: false } as const],
    };
    const { trees, bytes } = encodeStaged({ ...plan, root }, [root], true);
    expect(trees.map(({ idmapped }) => idmapped)).toEqual([false, true]);
    expect(textOf(bytes)).toContain('mode=0620,gid=99');
  });

  it('keeps the bytes of a part that plans have in common, trees included', () => {
    const plan = sandboxPlan(['true']);
    const bind = (source: string) => ({ op: 'bind', source, target: '/a', recursive: false, shared: true }) as const;
    const part = (source: string) => ({ steps: [bind(source)], masked: [`${source}/m`], readOnly: [`${source}/r`] });
    const shared = part('/shared');
    const whole = (own: string) => {
      const root = { steps: [...shared.steps, bind(own)], masked: ['/shared/m', `${own}/m`] };
      return encodeStaged(plan, [{ ...root, readOnly: ['/shared/r', `${own}/r`] }], false);
    };
    for (const own of ['/x', '/y', '/x']) expect(encodeStaged(plan, [shared, part(own)], false)).toEqual(whole(own));
  });

  it('leaves the root out without a sandbox', () => {
    expect(textOf(encodePlan(sandboxPlan(['true'], { sandboxed: false })))).not.toContain('/dev');
  });

  it('refuses what no system call could carry', () => {
    const bad = (changes: Parameters<typeof sandboxPlan>[1]) => () => encodePlan(sandboxPlan(['true'], changes));
    expect(bad({ process: processPlan(['a\0b']) })).toThrow(expect.objectContaining({ code: 'METACTL_BAD_TEXT' }));
    expect(bad({ identity: identity({ uid: 0xffff_ffff }) })).toThrow(
      expect.objectContaining({ code: 'METACTL_BAD_PLAN' }),
    );
    expect(bad({ identity: identity({ gid: -1 }) })).toThrow(/-1 is no gid/);
    expect(bad({ identity: identity({ capabilities: ['FLY'] }) })).toThrow(/`FLY` is no capability/);
    expect(bad({ process: processPlan(['true'], { rlimits: { patience: [1, 1] } }) })).toThrow(
      /`patience` is no resource limit/,
    );
    expect(bad({ process: processPlan([]) })).toThrow(/there is no command/);
  });
});

describe('programPaths', () => {
  const paths = (program: string, env: Record<string, string>, workingDirectory = '/app') =>
    programPaths(processPlan([program], { env, workingDirectory }));

  it('looks along PATH, absolute entries only', () => {
    expect(paths('java', { PATH: '/opt/bin:.::/bin' })).toEqual(['/opt/bin/java', '/bin/java']);
  });

  it('has a default for a PATH that is missing or useless', () => {
    expect(paths('java', {})).toEqual(['/usr/local/bin/java', '/usr/bin/java', '/bin/java']);
    expect(paths('java', { PATH: '' })).toEqual(paths('java', {}));
  });

  it('takes a path as it is, a relative one from the working directory', () => {
    expect(paths('/opt/x', { PATH: '/bin' })).toEqual(['/opt/x']);
    expect(paths('bin/x', { PATH: '/bin' })).toEqual(['/app/bin/x']);
  });
});

describe('capabilityMask', () => {
  it('has the numbers of the kernel', () => {
    expect(capabilityMask(['CHOWN', 'KILL'])).toBe(0b100001n);
    expect(capabilityMask(['NET_BIND_SERVICE'])).toBe(1n << 10n);
    expect(capabilityMask(['SYS_ADMIN'])).toBe(1n << 21n);
    expect(capabilityMask(['CHECKPOINT_RESTORE'])).toBe(1n << 40n);
  });
});

describe('BinaryWriter', () => {
  it('grows', () => {
    const writer = new BinaryWriter();
    writer.bytes(new Uint8Array(100_000).fill(7));
    writer.text('end');
    expect(writer.size).toBe(4 + 100_000 + 1 + 4 + 3 + 1);
    expect(Buffer.from(writer.finish()).toString('latin1', 100_009)).toBe('end\0');
  });
});

function errorRecord(step: string, call: string, path: string, errno: number, exitStatus: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(0x5252454d, 0);
  header.writeInt32LE(errno, 4);
  for (const [index, text] of [step, call, path].entries())
    header.writeUInt16LE(Buffer.byteLength(text), 8 + 2 * index);
  header.writeUInt16LE(exitStatus, 14);
  return Buffer.concat([header, Buffer.from(step + call + path)]);
}

describe('records', () => {
  it('reads an error and makes it a MetactlError', () => {
    const record = readErrorRecord(errorRecord('mount proc', 'mount', '/proc', 1, 125))!;
    expect(record).toEqual({ errno: 1, exitStatus: 125, step: 'mount proc', syscall: 'mount', path: '/proc' });
    expect(launchError(record, [])).toMatchObject({
      message: 'mount proc `/proc`: operation not permitted (mount)',
      code: 'EPERM',
      errno: 1,
      syscall: 'mount',
      step: 'mount proc',
      path: '/proc',
      exitStatus: 125,
    });
  });

  it('says what may lack memory', () => {
    const record = readErrorRecord(errorRecord('enter network namespace', 'setns', '', 12, 125))!;
    expect(launchError(record, [])).toMatchObject({
      message: 'enter network namespace: not enough memory (setns)',
      hint: 'starting takes memory too: raise memory-max of the daemon if it is small, or look at what the server has left',
    });
  });

  it('takes no part of an error for a whole one', () => {
    const whole = errorRecord('a', 'b', 'c', 1, 125);
    for (let size = 0; size < whole.length; size++) expect(readErrorRecord(whole.subarray(0, size))).toBeUndefined();
    expect(readErrorRecord(Buffer.concat([Buffer.from([1]), whole]))).toBeUndefined();
  });

  it('explains what is missing by a mount that was left out, but nothing beside it', () => {
    const leftOut = [{ path: '/srv', fsType: 'ext4', source: '/dev/sdb1' }];
    const hint = (path: string) =>
      launchError(readErrorRecord(errorRecord('execute', 'execve', path, 2, 127))!, leftOut).hint;
    expect(hint('/srv/x')).toContain('`/srv` is a file system of its own');
    expect(hint('/srvx')).not.toContain('/srv');
  });

  it.each([
    [
      'map the ids of',
      22,
      'this kernel or file system has no idmapped mounts: give the directory to ids of the block that `metactl plan` shows (chown -R), then it needs none',
    ],
    ['make user namespace', 28, 'the sysctl user.max_user_namespaces allows no more of them'],
    ['make user namespace', 1, 'this kernel or the container around it allows none: set [sandbox] user-namespace = no'],
    [
      'set resource limit',
      1,
      'more than metactl itself may have: lower limit-/x, or start metactl with a higher limit',
    ],
  ])('tells what to do when it can’t %s (%i)', (step, errno, hint) => {
    expect(launchError(readErrorRecord(errorRecord(step, 'call', '/x', errno, 125))!, []).hint).toBe(hint);
  });

  it('names tasks-max where there can be no more processes', () => {
    const hint = (step: string, call: string) =>
      launchError(readErrorRecord(errorRecord(step, call, '', 11, 125))!, []).hint;
    const told =
      'no more processes are allowed here: raise tasks-max of the daemon, or look at the limits of the server';
    expect(hint('start daemon', 'clone')).toBe(told);
    expect(hint('make namespaces', 'clone3')).toBe(told);
    expect(hint('lock', 'flock')).toBeUndefined();
  });

  it('gives an errno that Node does not know by its number', () => {
    expect(launchError(readErrorRecord(errorRecord('a', 'b', '', 4242, 125))!, [])).toMatchObject({
      code: 'ERRNO_4242',
    });
  });

  it('reads status records in order', () => {
    const record = (kind: number, pid: number, code: number, signal: number, core: number) => {
      const bytes = Buffer.alloc(48);
      bytes.writeUInt32LE(0x5453544d, 0);
      bytes.writeUInt32LE(kind, 4);
      for (const [index, value] of [pid, code, signal, core].entries()) bytes.writeInt32LE(value, 8 + 4 * index);
      bytes.writeBigUInt64LE(11n, 24);
      bytes.writeBigUInt64LE(12n, 32);
      bytes.writeBigUInt64LE(13n, 40);
      return bytes;
    };
    const usage = { userTime: 11, systemTime: 12, maxRss: 13 };
    expect(readStatusRecords(Buffer.concat([record(1, 2, 0, 0, 0), record(2, 2, 3, 0, 0), Buffer.alloc(5)]))).toEqual([
      { kind: 'running', pid: 2 },
      { kind: 'ended', code: 3, signal: undefined, coreDumped: false, ...usage },
    ]);
    expect(readStatusRecords(record(2, 2, -1, 11, 1))).toEqual([
      { kind: 'ended', code: undefined, signal: 11, coreDumped: true, ...usage },
    ]);
    expect(readStatusRecords(Buffer.alloc(96))).toEqual([]);
  });
});
