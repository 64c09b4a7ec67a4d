import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixtures } from '../../helpers/fixtures.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, type ProbeApp, parsed } from '../../helpers/probe-app.ts';
import { type Outcome, REPOSITORY } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useChildren } from '../../helpers/use-children.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;
const children = useChildren();

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

const AS_ROOT = ['--as-root'];
const NONE = '0000000000000000';

/** Enters while somebody inside lies in wait, until that one has met a few who had not executed their program yet. */
async function ambushed(attacker: readonly string[], victim: readonly string[]) {
  const ambush = app.attack(['ambush', '6000'], attacker);
  let ended = false;
  void ambush.finally(() => {
    ended = true;
  });
  while (!ended) await app.enter(['/bin/true'], victim);
  return ambush;
}

describe('into the sandbox', () => {
  it('CVE-2016-9962, CVE-2016-8649: who enters can’t be traced, and no descriptor of his be taken', async () => {
    await app.start();
    const report = await ambushed([], []);
    expect(Number(report.met), JSON.stringify(report)).toBeGreaterThan(0);
    // EPERM from ptrace, EACCES from /proc: the process is not dumpable until it has executed the app's program.
    expect(report).toMatchObject({ ptrace: 'EPERM' });
    for (const way of ['fd', 'exe', 'root', 'cwd', 'mem', 'environ'])
      expect(report[way], way).toMatch(/^E(ACCES|PERM)$/);
  });

  it('CVE-2016-9962, CVE-2016-8649: nor by the sandbox’s own root', async () => {
    await app.start();
    const report = await ambushed(AS_ROOT, AS_ROOT);
    expect(Number(report.met), JSON.stringify(report)).toBeGreaterThan(0);
    expect(report).toMatchObject({ ptrace: 'EPERM' });
    // Listing the descriptors' numbers is all that the owner root may do without CAP_SYS_PTRACE.
    for (const way of ['exe', 'root', 'cwd', 'mem', 'environ']) expect(report[way], way).toMatch(/^E(ACCES|PERM)$/);
  });

  it('CVE-2015-1334, CVE-2019-16884, CVE-2019-19921, CVE-2025-52881: /proc is the kernel’s own', async () => {
    app.configure({ daemon: 'oom-score-adjust = 321' });
    await app.start();
    // A tree that looks like /proc, where a relative or redirected write would go.
    const fake = join(app.state, 'proc/self');
    mkdirSync(fake, { recursive: true });
    for (const name of ['oom_score_adj', 'attr']) writeFileSync(join(fake, name), 'untouched', { mode: 0o666 });
    for (const options of [[], AS_ROOT]) {
      for (const target of ['/proc', '/proc/self/attr', '/proc/sys']) {
        const { attack: _, ...results } = await app.attack(['mount-over', `${app.state}/proc`, target], options);
        expect(results).toEqual({
          bind: 'EPERM',
          proc: 'EPERM',
          open_tree: 'EPERM',
          move_mount: 'EPERM',
          fsopen: 'EPERM',
        });
      }
    }
    const { mounts } = await app.report(['files']);
    expect(mounts.filter(({ path }) => path === '/proc').map(({ fsType }) => fsType)).toEqual(['proc']);
    // What was written for the daemon and for who entered did arrive in the true /proc.
    const daemon = readFileSync(`/proc/${app.init()}/task/${app.init()}/children`, 'utf8').trim();
    expect(readFileSync(`/proc/${daemon}/oom_score_adj`, 'utf8')).toBe('321\n');
    expect(await app.report(['process'])).toMatchObject({ oomScoreAdj: '321\n' });
    for (const name of ['oom_score_adj', 'attr']) expect(readFileSync(join(fake, name), 'utf8')).toBe('untouched');
  });

  it('CVE-2022-31214: a sandbox that an attacker made is not entered', async () => {
    await app.start();
    // Waits until it is known.
    app.init();
    const directory = join(app.root, 'run/metactl');
    for (const path of [directory, join(directory, 'shop')]) {
      expect(statSync(path)).toMatchObject({ uid: 0, mode: 0o40700 });
    }
    const file = join(directory, 'shop/main.json');
    expect(statSync(file)).toMatchObject({ uid: 0, mode: 0o100600 });

    const live = JSON.parse(readFileSync(file, 'utf8'));
    const decoy = await startDecoy();
    const stat = readFileSync(`/proc/${decoy}/stat`, 'utf8');
    const truth = {
      ...live,
      pid: decoy,
      startTime: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19],
      pidNamespace: /\d+/.exec(readlinkSync(`/proc/${decoy}/ns/pid`))![0],
    };
    // A record that is right in all but one thing, as a stale or guessed one would be.
    const forged = [
      { ...truth, startTime: live.startTime },
      { ...truth, pidNamespace: live.pidNamespace },
      { ...truth, bootId: '00000000-0000-0000-0000-000000000000' },
      { ...live, pid: decoy },
      { ...truth, daemon: 'other' },
    ];
    const entryFile = join(directory, 'shop/main.entry');
    const entry = JSON.parse(readFileSync(entryFile, 'utf8'));
    for (const record of forged) {
      writeFileSync(file, JSON.stringify(record));
      writeFileSync(entryFile, JSON.stringify({ ...entry, startTime: record.startTime }));
      const { status, stdout } = await app.exec(['exit', '0']);
      expect({ record, status, stdout }).toEqual({ record, status: 125, stdout: '' });
    }
    writeFileSync(file, JSON.stringify(live));
    expect(await app.exec(['exit', '0'])).toMatchObject({ status: 125 });
    writeFileSync(entryFile, JSON.stringify(entry));
    expect(await app.exec(['exit', '0'])).toMatchObject({ status: 0 });
  });

  it('firejail #2718: the filter for who enters lies where the app can’t write', async () => {
    const before = await startReporting();
    // Whatever the app leaves in every place that it may write changes nothing.
    const { writable } = await app.report(['files']);
    for (const place of [app.state, '/tmp', '/var/tmp', '/dev/shm']) {
      if (place !== app.state) expect(writable).toContain(place);
      for (const name of ['seccomp', '.metactl', 'plan', 'main.json', 'metactl-plan']) {
        await app.attack(['open', `${place}/${name}`, 'create']);
      }
    }
    for (const path of [
      '/run/metactl',
      '/run/.metactl/x',
      join(app.root, 'run/metactl/x'),
      join(app.directory, '.metactl'),
    ]) {
      const { result } = await app.attack(['open', path, 'create']);
      expect({ path, result }).toEqual({ path, result: expect.stringMatching(/^E(ROFS|ACCES|NOENT)$/) });
    }
    const after = await app.report(['process', 'syscalls']);
    expect(after.status).toMatchObject({ Seccomp: '2', Seccomp_filters: before.status.Seccomp_filters });
    expect(after.syscalls).toEqual(before.syscalls);
    // PID 1, whose memory and files are nearest to the app, holds no file at all.
    const open = readdirSync(`/proc/${app.init()}/fd`).map((fd) => readlinkSync(`/proc/${app.init()}/fd/${fd}`));
    expect(open.filter((target) => target.startsWith('/'))).toEqual([]);
  });

  it('CVE-2022-27650, CVE-2022-27649, CVE-2022-24769: inheritable and ambient capabilities are empty', async () => {
    const grant = ['--inh-caps=+chown,+net_raw', '--ambient-caps=+chown,+net_raw'];
    const withCapabilities = (command: readonly string[]): Promise<Outcome> =>
      new Promise((resolve) => {
        execFile(
          'setpriv',
          [...grant, ...command],
          { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', METACTL_ROOT: app.root } },
          (error, stdout, stderr) =>
            resolve({ stdout, stderr, status: error === null ? 0 : Number(error.code), signal: undefined }),
        );
      });
    const { status: control } = parsed<ProbeReport>(await withCapabilities([fixtures().probe, 'report', 'process']));
    expect(control).toMatchObject({ CapInh: '0000000000002001', CapAmb: '0000000000002001' });

    const metactl = [process.execPath, join(REPOSITORY, 'bin/metactl.cjs')];
    app.configure({ daemons: { main: 'report process' } });
    const outcomes = [await withCapabilities([...metactl, 'run', 'shop'])];
    app.configure({});
    await app.start();
    for (const options of [[], ['--fresh']]) {
      const words = ['exec', 'shop', ...options, '--', app.probe, 'report', 'process'];
      outcomes.push(await withCapabilities([...metactl, ...words]));
    }
    for (const outcome of outcomes) {
      expect(parsed<ProbeReport>(outcome).status).toMatchObject({ CapInh: NONE, CapAmb: NONE, CapPrm: NONE });
    }
  });

  it('CVE-2022-27650, CVE-2022-27649, CVE-2022-24769: inheritable is exactly ambient where some are kept', async () => {
    app.configure({ daemons: { main: 'report process' }, node: '[sandbox]\ncapabilities = NET_BIND_SERVICE\n' });
    const { status } = parsed<ProbeReport>(await app.run());
    const bind = '0000000000000400';
    expect(status).toMatchObject({ CapInh: bind, CapPrm: bind, CapEff: bind, CapBnd: bind, CapAmb: bind });
  });

  it('youki #3434, #3554: run, exec and exec --fresh have the same bounding set, also where none is named', async () => {
    for (const [node, expected] of [
      ['', NONE],
      ['[sandbox]\ncapabilities = CHOWN IPC_LOCK\n', '0000000000004001'],
    ] as const) {
      const daemon = await startReporting(node);
      const seen = [daemon, await app.report(['process']), await app.report(['process'], ['--fresh'])];
      expect(seen.map(({ status }) => status.CapBnd)).toEqual([expected, expected, expected]);
      await app.stop();
    }
  });
});

/** Starts a daemon that reports what it sees and stays. */
async function startReporting(node = ''): Promise<ProbeReport> {
  scratch.appDirectory('shop', { 'report.sh': '#!/bin/sh\n./probe report process syscalls\nexec ./probe hold\n' });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${app.directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ./report.sh\n${node}`,
  );
  const { output } = await app.start();
  return JSON.parse(output.stdout.split('\n').find((line) => line.startsWith('{'))!);
}

/** A container that looks a little like a sandbox: PID 1 of a PID namespace of its own. @returns its host pid. */
async function startDecoy(): Promise<number> {
  const child = spawn('unshare', ['--pid', '--fork', '--kill-child', '--mount', fixtures().probe, 'hold'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return Number(execFileSync('ps', ['-o', 'pid=', '--ppid', String(child.pid)], { encoding: 'utf8' }).trim());
}
