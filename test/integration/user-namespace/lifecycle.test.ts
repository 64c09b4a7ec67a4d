import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, type ProbeApp } from '../../helpers/probe-app.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';
import { byPath, expectedMounts, printedPlan, seenMounts } from '../isolation/planned.ts';

leakCheck();

let scratch: Scratch;
let lab: Lab;
let app: ProbeApp;

const MAPPED = '[sandbox]\nuser-namespace = yes\n';
const NONE = '0000000000000000';

beforeEach(async () => {
  lab = await makeLab();
});
afterEach(() => lab.close());
useProbeScratch((made) => {
  scratch = made;
  scratch.metactlConf(lab.metactlConf);
  app = makeProbeApp(scratch, 'shop', { node: MAPPED });
});

const pin = () => join(app.root, 'run/metactl/shop/ids');
const userOf = async (options: readonly string[]) => (await app.report(['process'], options)).namespaces.user;

/** Without the namespace its state is refused, as that of an id inside; does what the hint says. */
async function takeStateBack(inside: number): Promise<void> {
  const { status, stderr } = await runMetactl(['run', 'shop'], { root: app.root });
  expect({ status, stderr }).toMatchObject({
    status: 78,
    stderr: expect.stringMatching(
      `the state directory .*/state belongs to ${inside} of the app's user namespace, which is switched off: shop can't read it`,
    ),
  });
  const [file, ...words] = /\((chown [^)]*)\)/.exec(stderr)![1]!.split(' ');
  execFileSync(file!, words);
}

describe('state that root of a user namespace made', () => {
  it('is refused with the command that helps, once there is no namespace any more', async () => {
    app.configure({ node: MAPPED, daemon: 'user = root' });
    await app.start();
    await app.stop();
    const state = join(app.root, 'var/lib/metactl/apps/shop/state');
    app.configure({ node: '', daemon: '' });
    await takeStateBack(0);
    await app.start();
    const { uid } = await app.report(['process']);
    expect(uid[0]).toBe(lstatSync(state).uid);
  });
});

describe('the user namespace of an app', () => {
  it('is one for all its daemons and who enters them, and goes with the last', async () => {
    app.configure({ node: MAPPED, daemons: { main: 'hold', other: 'hold' } });
    const main = await app.start(['main']);
    await app.start(['other']);
    const user = await userOf(['main']);
    expect([await userOf(['other']), await userOf(['other', '--as-root']), await userOf(['--fresh'])]).toEqual([
      user,
      user,
      user,
    ]);
    // Whoever comes while another daemon runs finds it pinned.
    expect(`user:[${lstatSync(pin()).ino}]`).toBe(user);
    await main.stop();
    expect(await userOf(['other'])).toBe(user);
    await app.stop();
    expect(existsSync(join(app.root, 'run/metactl/shop'))).toBe(false);
  });

  it('is removed by gc after a kill, and a start after a kill finds the same ids', async () => {
    const first = await app.start();
    const ids = await runMetactl(['plan', 'shop'], { root: app.root });
    await first.stop('SIGKILL');
    const told = await runMetactl(['gc', '--dry-run', '--json'], { root: app.root });
    expect(JSON.parse(told.stdout).items ?? JSON.parse(told.stdout)).toContainEqual({
      app: 'shop',
      kind: 'ids',
      name: pin(),
    });
    const again = await app.start();
    expect((await runMetactl(['plan', 'shop'], { root: app.root })).stdout).toBe(ids.stdout);
    await again.stop('SIGKILL');
    expect(await runMetactl(['gc'], { root: app.root })).toMatchObject({ status: 0 });
    expect(existsSync(pin())).toBe(false);
  });

  it('is entered by who comes after the configuration has changed, as the daemon was started', async () => {
    await app.start();
    const user = await userOf([]);
    app.configure({});
    expect(await app.report(['process'])).toMatchObject({ uid: [1000, 1000, 1000], namespaces: { user } });
    await app.stop();
    // Without idmapped mounts (before Linux 5.12) its state belongs to the id that it has inside.
    if (!addon().hasMountApi()) await takeStateBack(1000);
    await app.start();
    app.configure({ node: MAPPED });
    const report = await app.report(['process']);
    expect(report.uid[0]).toBeGreaterThanOrEqual(70_000);
    expect(report.namespaces.user).not.toBe(user);
  });

  it('is not replaced by another one that lies in its place', async () => {
    await app.start();
    const run = (file: string, ...args: string[]) => execFileSync(file, args, { stdio: 'pipe' });
    run('umount', pin());
    const gone = await app.exec(['report', 'process']);
    expect(gone).toMatchObject({ status: 125, stdout: '' });
    expect(gone.stderr).toContain(`the user namespace of shop is not at ${pin()}`);
    run('mount', '--bind', '/proc/self/ns/user', pin());
    expect(await app.exec(['report', 'process'])).toMatchObject({ status: 125, stdout: '' });
  });
});

describe('starts after the first, which use prepared mounts', () => {
  it.each(['none', 'routed'] as const)('are as tight as the first: network mode %s', async (mode) => {
    const lines = [
      './probe report process files',
      'echo x >> "$STATE_DIRECTORY/starts"',
      '[ "$(wc -l < "$STATE_DIRECTORY/starts")" -lt 4 ] || exec ./probe hold',
      // Long enough for the mounts to be prepared.
      'sleep 0.4',
    ];
    scratch.appDirectory('shop', { 'main.sh': `#!/bin/sh\n${lines.join('\n')}\n` });
    const restart = 'restart = always\nrestart-sec = 10ms\nrestart-max-delay-sec = 20ms\n';
    const net = mode === 'none' ? '[sandbox.net]\nmode = none\n' : '';
    scratch.node(
      'shop',
      `[app]\ndirectory = ${app.directory}\n${net}[daemon.main]\ncommand = ./main.sh\n${restart}${MAPPED}`,
    );
    const { root } = await printedPlan(app.root, 'shop');
    const running = await app.start();
    const found = running.output.stdout.split('\n').filter((line) => line.startsWith('{'));
    const reports = found.map((line): ProbeReport => JSON.parse(line));
    expect(reports).toHaveLength(4);
    const planned = expectedMounts(root);
    for (const report of reports) {
      expect(report).toMatchObject({ uid: [1000, 1000, 1000], groups: [] });
      expect(report.status).toMatchObject({ CapEff: NONE, CapPrm: NONE, CapBnd: NONE, Seccomp: '2', NoNewPrivs: '1' });
      expect(report.namespaces.user).toBe(reports[0]!.namespaces.user);
      expect(report.writable).toEqual(reports[0]!.writable);
      expect(seenMounts(report.mounts, planned)).toEqual(byPath(planned));
    }
    const lease = JSON.parse(readFileSync(join(app.root, 'var/lib/metactl/leases.json'), 'utf8')).apps.shop;
    const uid = addon().hasMountApi() ? lease.uid : lease.ids + 1000;
    expect(lstatSync(join(app.state, 'starts'))).toMatchObject({ uid, gid: uid, size: 8 });
  });
});

describe('an app with a network', () => {
  it('serves on port 80 from Node, as root inside', async () => {
    const server =
      "require('http').createServer((_, answer) => answer.end(require('os').userInfo().username)).listen(80, () => console.log('ready'))";
    scratch.appDirectory('shop', { 'server.js': server });
    const command = `command = ${process.execPath} server.js\n`;
    scratch.node('shop', `[app]\ndirectory = ${app.directory}\n[daemon.main]\n${command}user = root\n${MAPPED}`);
    await app.start();
    const address = (await runMetactl(['ip', 'shop'], { root: app.root })).stdout.trim();
    const answer = await fetch(`http://${address}/`, { signal: AbortSignal.timeout(5000) });
    expect(await answer.text()).toBe('root');
  });
});
