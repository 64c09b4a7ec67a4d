import { existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { onTerminal } from '../../helpers/on-terminal.ts';
import type { ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, type ProbeApp, parsed } from '../../helpers/probe-app.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

/** Facts that must be the same however a process came into the sandbox. */
const SAME_STATUS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters'];
const SAME_SIGNALS = ['SigIgn', 'SigBlk', 'SigCgt', 'Groups', 'Umask', 'Cpus_allowed'];
const SAME = [
  'uid',
  'gid',
  'groups',
  'rlimits',
  'umask',
  'nice',
  'oomScoreAdj',
  'cwd',
  'hostname',
  'syscalls',
] as const;
const SAME_FILES = ['devices', 'writable', 'files', 'cgroup', 'root'] as const;

function facts(report: ProbeReport): Record<string, unknown> {
  const status = Object.fromEntries([...SAME_STATUS, ...SAME_SIGNALS].map((key) => [key, report.status[key]]));
  const rest = Object.fromEntries([...SAME, ...SAME_FILES].map((key) => [key, report[key]]));
  const entries = ({ root, path, options, fsType }: ProbeReport['mounts'][number]) => ({ root, path, options, fsType });
  return { status, ...rest, mounts: report.mounts.map(entries), environment: report.environment };
}

/** Starts a daemon that reports what it sees and stays. */
async function startReporting(): Promise<ProbeReport> {
  scratch.appDirectory('shop', { 'report.sh': '#!/bin/sh\nunset PWD\n./probe report\nexec ./probe hold\n' });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${app.directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ./report.sh\n`,
  );
  const running = await app.start();
  return JSON.parse(running.output.stdout.split('\n').find((line) => line.startsWith('{'))!);
}

describe('exec', () => {
  it('enters with the daemon’s own credentials, filters, limits, mounts and environment', async () => {
    const daemon = await startReporting();
    const entered = await app.report();
    expect(facts(entered)).toEqual(facts(daemon));
    expect(entered.namespaces).toEqual(daemon.namespaces);
    expect(Object.keys(entered.descriptors)).toEqual(['0', '1', '2']);
    expect(entered.processes.map(({ pid, comm }) => ({ pid, comm }))).toEqual([
      { pid: 1, comm: 'metactl-init' },
      { pid: expect.any(Number), comm: 'probe' },
      { pid: entered.pid, comm: 'probe' },
    ]);
    // Its parent is outside; it has a session of its own.
    expect(entered).toMatchObject({ ppid: 0, sid: entered.pid, pgid: entered.pid });
  });

  it('can’t see or signal whoever entered it there', async () => {
    await app.start();
    const { result } = await app.attack(['signal', '1', '9']);
    // PID 1 takes no signal from inside that it has no handler for, and belongs to root.
    expect(result).toBe('EPERM');
  });

  it('brings nothing of the caller along', async () => {
    await app.start();
    const outcome = await app.exec(['report', 'process'], [], {
      env: { SECRET_OF_THE_CALLER: 'hunter2', LD_PRELOAD: '/nonexistent.so', NOTIFY_SOCKET: '/run/x' },
      cwd: '/etc',
    });
    const report = parsed<ProbeReport>(outcome);
    expect(Object.keys(report.environment).sort()).toEqual(
      ['HOME', 'LANG', 'LOGNAME', 'LOGS_DIRECTORY', 'PATH', 'SHELL', 'STATE_DIRECTORY', 'USER'].sort(),
    );
    expect(report.cwd).toBe(app.directory);
  });

  it('counts against the daemon’s limits', async () => {
    app.configure({ daemon: 'tasks-max = 8' });
    await app.start();
    const { stdout } = await app.exec(['forks', '50']);
    // The daemon and the probe itself; PID 1 and the process that entered count too.
    expect(stdout).toMatch(/^[1-6] EAGAIN\n$/);
  });

  it('is not running: 3', async () => {
    expect(await app.exec(['exit', '0'])).toMatchObject({
      status: 125,
      stdout: '',
      stderr: expect.stringContaining('shop/main is not running'),
    });
  });

  it('passes the status on: codes, signals, 126 and 127', async () => {
    await app.start();
    expect(await app.exec(['exit', '0'])).toMatchObject({ status: 0 });
    expect(await app.exec(['exit', '42'])).toMatchObject({ status: 42 });
    expect(await app.exec(['raise', '6'])).toMatchObject({ status: 134 });
  });
});

/** CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID (DESIGN §7). */
const ADMINISTRATORS = '00000000000000eb';

describe('exec --as-root', () => {
  it('is uid 0 with six capabilities, the same filter and no_new_privs', async () => {
    const daemon = await startReporting();
    const report = await app.report([], ['--as-root']);
    expect(report).toMatchObject({ uid: [0, 0, 0], gid: [0, 0, 0], groups: [], cwd: '/', umask: 0o022 });
    expect(report.status).toMatchObject({
      CapPrm: ADMINISTRATORS,
      CapEff: ADMINISTRATORS,
      CapBnd: ADMINISTRATORS,
      NoNewPrivs: '1',
      Seccomp: '2',
      Seccomp_filters: daemon.status.Seccomp_filters,
    });
    expect(report.namespaces).toEqual(daemon.namespaces);
    const { 'setuid:0': _, 'setgid:0': __, setgroups, ...others } = report.syscalls;
    expect(setgroups).toBe('ok');
    expect(daemon.syscalls).toMatchObject(others);
    expect(Object.keys(report.descriptors)).toEqual(['0', '1', '2']);
  });

  it('has a fixed environment, whatever the app’s configuration says', async () => {
    app.configure({ application: '[env]\nPATH = /srv/evil\nLD_PRELOAD = /srv/evil.so\nBASH_ENV = /srv/evil.sh\n' });
    await app.start();
    const { environment } = await app.report(['process'], ['--as-root']);
    expect(environment).toEqual({
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/',
      USER: 'root',
      LOGNAME: 'root',
      SHELL: '/bin/sh',
    });
  });

  it('may repair the app’s files, and write nothing else', async () => {
    scratch.appDirectory('shop', { page: 'of the release\n' });
    await app.start();
    const root = ['--as-root'];
    expect(await app.attack(['open', `${app.state}/repaired`, 'create'], root)).toMatchObject({ result: 'ok' });
    for (const path of [
      '/etc/passwd',
      '/proc/sys/kernel/core_pattern',
      '/proc/irq/default_smp_affinity',
      join(app.directory, 'page'),
    ]) {
      expect(await app.attack(['open', path, 'w'], root)).toMatchObject({ path, result: 'EROFS' });
    }
    expect(await app.attack(['mknod', '/tmp'], root)).toMatchObject({ character: 'EPERM', block: 'EPERM' });
    expect(await app.attack(['remount', '/usr'], root)).toMatchObject({ mount: 'EPERM', mount_setattr: 'EPERM' });
  });

  it('can’t take hold of PID 1, which is uid 0 like it', async () => {
    await app.start();
    const report = await app.attack(['read-proc', '1'], ['--as-root']);
    expect(report).toMatchObject({ mem: 'EACCES', environ: 'EACCES', maps: 'EACCES', root: 'EACCES', cwd: 'EACCES' });
    // The numbers of its descriptors are no secret; what is behind them is.
    for (const fd of ['3', '4', '5', '6']) {
      const { result } = await app.attack(['open', `/proc/1/fd/${fd}`, 'rw'], ['--as-root']);
      expect(result).toMatch(/^(EACCES|ENOENT)$/);
    }
    expect(await app.attack(['ptrace', '1'], ['--as-root'])).toMatchObject({ result: 'EPERM' });
    // Signals it has the right to send, but PID 1 takes SIGKILL only from outside.
    await app.attack(['signal', '1', '9'], ['--as-root']);
    expect(await app.exec(['exit', '0'])).toMatchObject({ status: 0 });
  });

  it('reads no start-up file of the app, as a shell either', async () => {
    await app.start();
    const marker = join(app.state, 'executed');
    for (const name of ['.profile', '.bashrc', '.bash_profile', '.shrc']) {
      writeFileSync(join(app.state, name), `touch ${marker}\n`);
    }
    const metactl = `${process.execPath} ${join(REPOSITORY, 'bin/metactl.cjs')}`;
    // The app's own shell does read them: it is the app's user.
    for (const [options, executed] of [
      ['', true],
      ['--as-root', false],
    ] as const) {
      const program = `ENV=${app.state}/.shrc BASH_ENV=${app.state}/.shrc ${metactl} shell shop ${options}`;
      const keys = { after: /[$#] $/, text: 'echo "<$(id -u)>"\nexit\n' };
      const shown = await onTerminal({ root: app.root, program, keys });
      expect(shown).toMatch(options === '' ? /<[7-9]\d{4}>/ : /<0>/);
      expect(existsSync(marker)).toBe(executed);
      rmSync(marker, { force: true });
    }
  });
});

describe('exec --fresh', () => {
  it('makes a sandbox of its own with the same isolation', async () => {
    const daemon = await startReporting();
    const fresh = await app.report([], ['--fresh']);
    const { mounts: _, ...rest } = facts(fresh);
    const { mounts: __, ...expected } = facts(daemon);
    expect(rest).toEqual(expected);
    expect(fresh).toMatchObject({ ppid: 1, sid: fresh.pid, pgid: fresh.pid });
    expect(fresh.processes.map(({ pid }) => pid)).toEqual([1, fresh.pid]);
    const shared = Object.entries(fresh.namespaces).filter(([name, inode]) => inode === daemon.namespaces[name]);
    expect(shared.map(([name]) => name).sort()).toEqual(['time', 'user']);
  });

  it('shares /tmp and state with the app’s daemons', async () => {
    await app.start();
    expect(await app.attack(['open', '/tmp/here', 'create'], ['--fresh'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', '/tmp/here', 'r'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', `${app.state}/here`, 'create'], ['--fresh'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', `${app.state}/here`, 'r'])).toMatchObject({ result: 'ok' });
  });

  it('runs where nothing of the app runs', async () => {
    expect(await app.exec(['exit', '7'], ['--fresh'])).toMatchObject({ status: 7 });
  });

  it('follows no link that the app put in place of a file it opens', async () => {
    await app.start();
    symlinkSync('/etc/shadow', join(app.state, 'shadow'));
    expect(await app.attack(['open', `${app.state}/shadow`, 'r'], ['--fresh'])).toMatchObject({ result: 'EACCES' });
  });
});
