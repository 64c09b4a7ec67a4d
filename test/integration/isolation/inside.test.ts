import { readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { ownFilters } from '../../helpers/own-filters.ts';
import type { ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, type ProbeApp, parsed } from '../../helpers/probe-app.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';
import { byPath, expectedMounts, printedPlan, seenMounts } from './planned.ts';

leakCheck();

let scratch: Scratch;

useProbeScratch((made) => {
  scratch = made;
});

/** What a service manager or an administrator's shell leaves in the environment. */
const CALLERS_ENVIRONMENT = {
  NODE_OPTIONS: '--no-warnings',
  NOTIFY_SOCKET: '/run/systemd/notify',
  LISTEN_FDS: '1',
  LISTEN_PID: '1',
  WATCHDOG_USEC: '1000000',
  INVOCATION_ID: 'c0ffee',
  LD_PRELOAD: '/nonexistent.so',
  LD_LIBRARY_PATH: '/nonexistent',
  SSH_AUTH_SOCK: '/tmp/agent',
  BASH_ENV: '/root/.profile',
  SECRET_OF_THE_CALLER: 'hunter2',
};

const NONE = '0000000000000000';

/** Runs the app's one daemon as `probe report` and gives what it says. */
async function reportOf(app: ProbeApp, parts = ''): Promise<ProbeReport> {
  app.configure({ daemons: { main: `report ${parts}` } });
  const outcome = await app.run([], { env: CALLERS_ENVIRONMENT });
  expect(outcome).toMatchObject({ status: 0 });
  return parsed(outcome);
}

describe('a daemon in a sandbox', () => {
  it('has no capability in any set, no_new_privs, the filter and no groups', async () => {
    const { status, uid, gid, groups, securebits } = await reportOf(makeProbeApp(scratch, 'shop'), 'process');
    expect(status).toMatchObject({ CapInh: NONE, CapPrm: NONE, CapEff: NONE, CapBnd: NONE, CapAmb: NONE });
    expect(status).toMatchObject({ NoNewPrivs: '1', Seccomp: '2', Groups: '' });
    expect(status.Seccomp_filters).toBe(String(ownFilters() + 1));
    expect(groups).toEqual([]);
    expect(uid[0]).toBeGreaterThanOrEqual(70_000);
    expect(uid).toEqual([uid[0], uid[0], uid[0]]);
    expect(gid).toEqual(uid);
    expect(securebits).toBe(0);
  });

  it('has exactly the descriptors 0 to 2: nothing, and two pipes', async () => {
    const { descriptors } = await reportOf(makeProbeApp(scratch, 'shop'), 'process');
    expect(descriptors).toEqual({
      0: '/dev/null',
      1: expect.stringMatching(/^pipe:/),
      2: expect.stringMatching(/^pipe:/),
    });
    expect(descriptors[1]).not.toBe(descriptors[2]);
  });

  it('is a session leader with every signal at its default and unblocked', async () => {
    const { status, pid, ppid, sid, pgid, parentDeathSignal } = await reportOf(makeProbeApp(scratch, 'shop'));
    expect({ ppid, sid, pgid, parentDeathSignal }).toEqual({ ppid: 1, sid: pid, pgid: pid, parentDeathSignal: 0 });
    expect(status).toMatchObject({ SigIgn: NONE, SigBlk: NONE, SigCgt: NONE, SigPnd: NONE, ShdPnd: NONE });
  });

  it('gets the planned environment and nothing of the caller’s', async () => {
    const app = makeProbeApp(scratch, 'shop');
    const { environment } = await reportOf(app, 'process');
    expect(environment).toEqual({
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: app.state,
      USER: 'shop',
      LOGNAME: 'shop',
      SHELL: '/bin/sh',
      LANG: 'C.UTF-8',
      STATE_DIRECTORY: app.state,
      LOGS_DIRECTORY: `${app.state}/log`,
    });
    expect(environment).toEqual((await printedPlan(app.root, 'shop')).process.env);
  });

  it('gets the planned limits, umask, nice and directory', async () => {
    const app = makeProbeApp(scratch, 'shop');
    const report = await reportOf(app, 'process');
    const { process } = await printedPlan(app.root, 'shop');
    const planned = Object.entries(process.rlimits).map(([name, pair]) => [name, pair.map((n) => n ?? -1)]);
    expect(report.rlimits).toEqual(Object.fromEntries(planned));
    const hard = Number(/Max open files\s+\S+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))![1]);
    expect(report.rlimits.nofile).toEqual([1024, Math.min(524_288, hard)]);
    expect(report).toMatchObject({ umask: 0o022, nice: 0, oomScoreAdj: '0\n', cwd: app.directory });
    expect(report.status.Cpus_allowed_list).toBe(onlineCpus());
  });

  it('sees only PID 1 and itself', async () => {
    const { processes, uid, pid } = await reportOf(makeProbeApp(scratch, 'shop'), 'process');
    expect(processes).toEqual([
      { pid: 1, uid: 0, comm: 'metactl-init' },
      { pid, uid: uid[0], comm: 'probe' },
    ]);
  });

  it('can look at nothing of PID 1 but its status', async () => {
    const { init } = await reportOf(makeProbeApp(scratch, 'shop'), 'process');
    const refused = { error: 'EACCES' };
    expect(init).toMatchObject({
      descriptors: refused,
      environ: refused,
      maps: refused,
      exe: refused,
      root: refused,
    });
    expect(init.status).toMatchObject({
      CapInh: NONE,
      CapPrm: '0000000000000020',
      CapEff: '0000000000000020',
      CapBnd: NONE,
      CapAmb: NONE,
      NoNewPrivs: '1',
      Seccomp: '2',
      Groups: '',
      TracerPid: '0',
    });
  });

  it('is in namespaces of its own but for user and time', async () => {
    const { namespaces } = await reportOf(makeProbeApp(scratch, 'shop'), 'process');
    const own = Object.entries(namespaces).filter(([name, inode]) => inode !== namespaceOf('self', name));
    expect(own.map(([name]) => name).sort()).toEqual(['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts']);
  });

  it('bears the app’s name in uname, hostname, hosts and passwd', async () => {
    const app = makeProbeApp(scratch, 'shop');
    const { hostname, files, uid } = await reportOf(app);
    expect(hostname).toBe('shop');
    expect(files['/etc/hostname']).toBe('shop\n');
    expect(files['/etc/hosts']).toMatch(/^127\.0\.0\.1 shop$/m);
    expect(files['/etc/passwd']).toBe(
      `root:x:0:0:root:/root:/bin/sh\nshop:x:${uid[0]}:${uid[0]}::${app.state}:/bin/sh\n` +
        'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
    );
    expect(files['/etc/group']).toContain(`\nshop:x:${uid[0]}:\n`);
    expect(files['/proc/self/cgroup']).toMatch(/^(\d+:[^:\n]*:\/\n)+$/);
  });

  // Whether bound or mounted: a JVM looks for its limits only where mountinfo shows such a root.
  it('sees its own v1 cgroups as the roots of their hierarchies', async () => {
    const app = makeProbeApp(scratch, 'shop');
    app.configure({ daemons: { main: 'hold' }, daemon: 'memory-max = 64m' });
    await app.start();
    const { mounts } = await app.report(['files']);
    const cgroups = mounts.filter(({ fsType }) => fsType === 'cgroup');
    const memory = cgroups.find(({ path }) => path.endsWith('/memory'));
    expect(memory).toBeDefined();
    expect(new Set(cgroups.map(({ root }) => root))).toEqual(new Set(['/']));
    const limit = await app.enter(['cat', `${memory?.path}/memory.limit_in_bytes`]);
    expect(limit).toMatchObject({ stdout: `${64 << 20}\n`, stderr: '' });
  });

  it('has a session keyring of its own, and may not use it', async () => {
    const app = makeProbeApp(scratch, 'shop');
    await app.start();
    expect(await app.report(['process'])).toMatchObject({ sessionKeyring: 'EPERM', procKeys: '' });
  });

  it('without the filter still has a keyring of its own', async () => {
    const app = makeProbeApp(scratch, 'shop');
    app.configure({ daemons: { main: 'report process' }, node: '[sandbox]\nseccomp = none' });
    const report = parsed<ProbeReport>(await app.run());
    expect(report.status).toMatchObject({ NoNewPrivs: '1', CapBnd: NONE });
    expect(report.status.Seccomp_filters).toBe(String(ownFilters()));
    // What a keyring without a name of its own is called. Its user may see and read it, but not find it by that name: to
    // join it takes the right to search (0x080000).
    expect(report.sessionKeyring).toMatch(/^keyring;0;0;[0-9a-f]+;_ses$/);
    const rights = Number.parseInt(report.sessionKeyring.split(';')[3]!, 16);
    expect(rights & 0x08_00_00).toBe(0);
  });
});

describe('the file system of a sandbox', () => {
  it('is mounted as the plan says, on a server that never ran anything', async () => {
    const app = makeProbeApp(scratch, 'shop');
    app.configure({ daemons: { main: 'report files' } });
    const { root } = await printedPlan(app.root, 'shop');
    const { mounts } = parsed<ProbeReport>(await app.run());
    const planned = expectedMounts(root);
    expect(seenMounts(mounts, planned)).toEqual(byPath(planned));
    // Nothing that the host mounts later may appear, and nothing of ours on the host.
    expect(mounts.filter(({ propagation }) => propagation !== '')).toEqual([]);
    expect(mounts.filter(({ path }) => path === '/')).toHaveLength(1);
  });

  it('lets write only state, temporary directories and queues', async () => {
    const app = makeProbeApp(scratch, 'shop');
    const { mounts, writable } = await reportOf(app, 'files');
    const open = mounts.filter(({ options }) => !options.split(',').includes('ro')).map(({ path }) => path);
    expect(open.sort()).toEqual(['/dev/mqueue', '/dev/pts', '/dev/shm', '/proc', '/tmp', '/var/tmp', app.state].sort());
    // Devices are written to, not changed. Masked files are /dev/null.
    const devices = ['full', 'null', 'pts/ptmx', 'random', 'tty', 'urandom', 'zero'].map((name) => `/dev/${name}`);
    const masked = mounts.filter(({ root, fsType }) => root === '/null' && fsType === 'tmpfs').map(({ path }) => path);
    const pressure = writable.filter((path) => /^\/proc\/pressure\/\w+$/.test(path));
    expect([...writable].sort()).toEqual(
      [...devices, ...masked, ...pressure, '/dev/mqueue', '/dev/shm', '/tmp', '/var/tmp'].sort(),
    );
  });

  it('lets the app make files in its state directory, and nowhere in its release', async () => {
    const app = makeProbeApp(scratch, 'shop');
    await app.start();
    expect(await app.attack(['open', `${app.state}/new`, 'create'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', `${app.state}/log/new`, 'create'])).toMatchObject({ result: 'ok' });
    for (const path of [`${app.directory}/new`, '/new', '/etc/new', '/run/new', '/dev/new', `${app.root}/new`]) {
      expect(await app.attack(['open', path, 'create'])).toMatchObject({ path, result: 'EROFS' });
    }
  });

  it('has exactly the default devices', async () => {
    const { devices } = await reportOf(makeProbeApp(scratch, 'shop'), 'files');
    const node = (name: string, major: number, minor: number, open = 'ok') => ({
      path: `/dev/${name}`,
      kind: 'character',
      mode: 0o666,
      uid: 0,
      major,
      minor,
      open,
    });
    const link = (name: string, target: string) => ({
      path: `/dev/${name}`,
      kind: 'symlink',
      mode: 0o777,
      uid: 0,
      target,
    });
    const directory = (name: string, mode: number) => ({ path: `/dev/${name}`, kind: 'directory', mode, uid: 0 });
    expect([...devices].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
      link('fd', '/proc/self/fd'),
      node('full', 1, 7),
      directory('mqueue', 0o1777),
      node('null', 1, 3),
      link('ptmx', 'pts/ptmx'),
      directory('pts', 0o755),
      node('pts/ptmx', 5, 2),
      node('random', 1, 8),
      directory('shm', 0o1777),
      link('stderr', '/proc/self/fd/2'),
      link('stdin', '/proc/self/fd/0'),
      link('stdout', '/proc/self/fd/1'),
      // No terminal controls it.
      node('tty', 5, 0, 'ENXIO'),
      node('urandom', 1, 9),
      node('zero', 1, 5),
    ]);
  });
});

function namespaceOf(pid: number | 'self', name: string): string {
  return readlinkSync(`/proc/${pid}/ns/${name}`);
}

function onlineCpus(): string {
  return readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
}
