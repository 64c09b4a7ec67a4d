import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { BIN, startMetactl } from '../../helpers/run-metactl.ts';
import { gone, makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = '/bin/sleep 98761';

describe('start', () => {
  it('starts an app in the background, and a supervisor if there is none', async () => {
    site.app('shop', { web: `command = ${SLEEP}`, db: `command = ${SLEEP}` });
    const outcome = await site.metactl(['start', 'shop']);
    expect(outcome).toEqual({ stdout: 'shop/web is up\nshop/db is up\n', stderr: '', status: 0, signal: undefined });
    const records = await site.status();
    expect(records.map(({ app, daemon, state, ready }) => [app, daemon, state, ready])).toEqual([
      ['shop', 'web', 'running', true],
      ['shop', 'db', 'running', true],
    ]);
    expect(processesWith(SLEEP)).toHaveLength(2);
    const again = await site.metactl(['start', 'shop', 'web']);
    expect([again.stdout, again.status]).toEqual(['shop/web was running\n', 0]);
    expect(processesWith(SLEEP)).toHaveLength(2);
  });

  it('makes a proper daemon of the supervisor', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    // A descriptor that the caller's shell would have open.
    const lock = openSync(join(site.root, 'lock'), 'w');
    const child = spawn(process.execPath, [BIN, 'start', 'shop'], {
      cwd: '/srv',
      env: { ...process.env, METACTL_ROOT: site.root, SECRET_OF_THE_CALLER: 'x' },
      stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'ignore', lock],
    });
    closeSync(lock);
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    const pid = await site.supervisor();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [, , group, session, terminal] = stat.map(Number);
    expect({ group, session, terminal }).toEqual({ group: pid, session: pid, terminal: 0 });
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).not.toContain('SECRET_OF_THE_CALLER');
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(open).not.toContain(join(site.root, 'lock'));
    const log = join(site.root, 'var/log/metactl/supervisor.log');
    expect([0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))).toEqual(['/dev/null', log, log]);
    const modes = ['', 'control.sock', 'control.lock'].map(
      (name) => statSync(join(site.root, 'run/metactl', name)).mode & 0o777,
    );
    expect(modes.map((mode) => mode.toString(8))).toEqual(['700', '600', '600']);
  });

  it('never makes two supervisors', async () => {
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) site.app(name, { web: `command = ${SLEEP}` });
    const outcomes = await Promise.all(names.map((name) => site.metactl(['start', name])));
    expect(outcomes.map(({ stderr, status }) => [stderr, status])).toEqual(names.map(() => ['', 0]));
    const records = await site.status();
    expect(new Set(records.map(({ supervisor }) => supervisor?.pid)).size).toBe(1);
    expect(processesWith(SLEEP)).toHaveLength(4);
    expect(processesWith(`--root ${site.root} supervise`)).toHaveLength(1);
  });

  it('starts one daemon once, whoever asks how often', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    const outcomes = await Promise.all([1, 2, 3].map(() => site.metactl(['start', 'shop'])));
    expect(outcomes.map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(processesWith(SLEEP)).toHaveLength(1);
  });

  it('says what is wrong before a supervisor is started', async () => {
    expect(await site.metactl(['start', 'nothing'])).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('there is no app `nothing`'),
    });
    site.app('shop', { web: 'command = /bin/true\nrestart = sometimes' });
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 78 });
    expect(await site.metactl(['start', 'Shop!'])).toMatchObject({ status: 2 });
    expect(await site.metactl(['start', 'all', 'web'])).toMatchObject({
      status: 2,
      stderr: 'metactl: `all` means all daemons of all apps: no daemon can be named beside it\n  hint: name the app\n',
    });
    expect(processesWith(`--root ${site.root} supervise`)).toEqual([]);
  });

  it('says why a daemon can not be started: 1', async () => {
    site.scratch.appDirectory('shop', { run: '#!/no/such/interpreter\n' });
    site.app('shop', { web: 'command = ./run' });
    const { status, stderr } = await site.metactl(['start', 'shop']);
    expect([status, stderr]).toEqual([1, expect.stringContaining('/apps/shop/run')]);
    expect(await site.status('shop')).toMatchObject([{ state: 'failed', ready: false }]);
  });

  it('leaves alone what runs in the foreground', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    const running = startMetactl(['run', 'shop'], { root: site.root });
    try {
      await expect.poll(() => processesWith(SLEEP).length, { timeout: 10_000 }).toBe(1);
      const { status, stderr } = await site.metactl(['start', 'shop']);
      expect([status, stderr]).toEqual([1, expect.stringContaining('metactl: shop/web is already running\n')]);
      expect(processesWith(SLEEP)).toHaveLength(1);
    } finally {
      await running.stop();
    }
  });
});

describe('stop', () => {
  it('leaves nothing, and says 3 for what does not run', async () => {
    site.app('shop', { web: `command = ${SLEEP}`, db: `command = ${SLEEP}` });
    await site.metactl(['start', 'shop']);
    expect(await site.metactl(['stop', 'shop', 'web'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
    expect(processesWith(SLEEP)).toHaveLength(1);
    const text = 'metactl: shop/web is not running\n  hint: start it with `metactl start shop web`\n';
    expect(await site.metactl(['stop', 'shop', 'web'])).toMatchObject({ status: 3, stderr: text });
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/db is stopped\n', status: 0 });
    expect(processesWith(SLEEP)).toHaveLength(0);
    expect(readdirSync(join(site.root, 'run/metactl')).sort()).toEqual(['control.lock', 'control.sock']);
    expect(await site.metactl(['stop', 'other'])).toMatchObject({ status: 4 });
    expect(await site.metactl(['stop', 'shop', 'wbe'])).toMatchObject({ status: 2 });
  });

  it('all: ends everything and the supervisor', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    await site.metactl(['start', 'shop']);
    const pid = await site.supervisor();
    expect(await site.metactl(['stop', 'all'])).toMatchObject({ status: 0 });
    await gone(pid, 2000);
    expect(processesWith(SLEEP)).toEqual([]);
    expect(await site.metactl(['stop', 'all'])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('no supervisor of metactl is running\n'),
    });
  });
});

describe('restart', () => {
  it('takes the configuration as it is now; one with errors changes nothing', async () => {
    site.app('shop', { web: 'command = /bin/sleep 98762' });
    await site.metactl(['start', 'shop']);
    site.app('shop', { web: 'command = /bin/sleep 98763' }, '[env]\nNEW = 1');
    const [changed] = await site.status('shop');
    expect(changed?.changed).toEqual(['[daemon.web] command', '[env] NEW']);
    expect((await site.metactl(['status', 'shop'])).stdout).toContain(
      'restart needed: [daemon.web] command, [env] NEW changed',
    );
    const before = changed?.pid;
    site.app('shop', { web: 'command = /bin/sleep 98763\nnonsense = 1' });
    expect(await site.metactl(['restart', 'shop'])).toMatchObject({ status: 78 });
    expect((await site.status('shop'))[0]?.pid).toBe(before);
    site.app('shop', { web: 'command = /bin/sleep 98763' });
    expect(await site.metactl(['restart', 'shop'])).toMatchObject({ stdout: 'shop/web is up again\n', status: 0 });
    expect([processesWith('sleep 98762').length, processesWith('sleep 98763').length]).toEqual([0, 1]);
    expect((await site.status('shop'))[0]).toMatchObject({ changed: [], restarts: 0 });
  });

  it('starts what does not run, and makes nothing run by `all`', async () => {
    site.app('shop', { web: `command = ${SLEEP}`, db: `command = ${SLEEP}` });
    expect(await site.metactl(['restart', 'all'])).toMatchObject({ status: 3 });
    expect(await site.metactl(['restart', 'shop', 'wbe'])).toMatchObject({ status: 2 });
    expect(await site.metactl(['restart', 'other'])).toMatchObject({ status: 4 });
    expect(await site.metactl(['restart', 'shop', 'web'])).toMatchObject({ stdout: 'shop/web is up\n', status: 0 });
    expect(await site.metactl(['restart', 'shop', 'db'])).toMatchObject({ stdout: 'shop/db is up\n', status: 0 });
    expect(processesWith(SLEEP)).toHaveLength(2);
    await site.metactl(['stop', 'shop', 'db']);
    expect(await site.metactl(['restart', 'all'])).toMatchObject({ status: 0 });
    await site.metactl(['stop', 'shop']);
    expect(await site.metactl(['restart', 'all'])).toMatchObject({ status: 3 });
    expect(processesWith(SLEEP)).toHaveLength(0);
  });
});

it('reload sends the reload signal', async () => {
  const script = join(site.root, 'apps/shop/web.sh');
  site.scratch.appDirectory('shop', {
    'web.sh': '#!/bin/sh\ntrap "echo reloaded >>$STATE_DIRECTORY/told" HUP\nwhile :; do sleep 0.05; done\n',
  });
  site.app('shop', { web: `command = ${script}\nreload-signal = SIGHUP` });
  await site.metactl(['start', 'shop']);
  const [before] = await site.status('shop');
  // The shell needs a moment to set its trap.
  await expect
    .poll(async () => {
      expect(await site.metactl(['reload', 'shop'])).toMatchObject({
        stdout: 'shop/web was told to reload\n',
        status: 0,
      });
      return (await site.status('shop'))[0]?.pid === before?.pid;
    })
    .toBe(true);
  expect(await site.metactl(['reload', 'other'])).toMatchObject({ status: 4 });
});

describe('status', () => {
  it('tells what a daemon that fails does, by text and as JSON', async () => {
    site.app('shop', { web: 'command = /bin/sh -c "exit 3"' });
    await site.metactl(['start', 'shop', '--no-wait']);
    await expect
      .poll(async () => (await site.status('shop'))[0]?.restarts ?? 0, { timeout: 10_000 })
      .toBeGreaterThan(1);
    const { stdout, status } = await site.metactl(['status', 'shop']);
    expect(status).toBe(3);
    expect(stdout).toMatch(/^DAEMON {4,}STATE/);
    expect(stdout).toContain('  last exit: ended with status 3, after ');
    expect((await site.status('shop'))[0]?.lastExit).toMatchObject({
      status: 3,
      failed: true,
      cause: 'ended with status 3',
    });
    expect((await site.metactl(['why', 'shop'])).stdout).toContain('ended with status 3');
  });

  it('tells memory, CPU, tasks and ports', async () => {
    const script = `${join(site.root, 'apps/shop')}/listen.mjs`;
    site.scratch.appDirectory('shop', {
      'listen.mjs': "import { createServer } from 'node:net'; createServer().listen(8123, '127.0.0.1');\n",
    });
    site.app('shop', { web: `command = ${process.execPath} ${script}\nworking-directory = /` });
    await site.metactl(['start', 'shop']);
    await expect
      .poll(async () => (await site.status('shop'))[0]?.ports, { timeout: 15_000 })
      .toEqual(['tcp 127.0.0.1:8123']);
    const [record] = await site.status('shop');
    expect(record?.memory).toBeGreaterThan(1e6);
    expect(record?.cpuUsec).toBeGreaterThan(1000);
    expect(record?.tasks).toBeGreaterThan(2);
    expect((await site.metactl(['status'])).stdout).toContain('127.0.0.1:8123');
  });

  it('shows what does not run: 3, and 4 for what is not there', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    const { stdout, status } = await site.metactl(['status', 'shop']);
    expect([stdout.split('\n')[1], status]).toEqual([expect.stringMatching(/^shop\/web {2}stopped .*-$/), 3]);
    expect(await site.metactl(['status', 'other'])).toMatchObject({ status: 4 });
    expect(await site.metactl(['status'])).toMatchObject({ status: 0 });
  });

  it('is for root only', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    await site.metactl(['start', 'shop']);
    const other = await site.metactl(['status'], { uid: 65_534, gid: 65_534 });
    expect(other).toMatchObject({
      status: 77,
      stderr: expect.stringContaining('only root may talk to the supervisor'),
    });
  });

  it('--watch goes on showing', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    await site.metactl(['start', 'shop']);
    const watching = startMetactl(['status', '--json', '--watch', '0.1'], { root: site.root });
    await watching.waitFor(/"daemon":"web"[^\n]*\n[^\n]*"daemon":"web"[^\n]*\n/);
    await watching.stop('SIGKILL');
  });
});

it('events -f tells what happens as JSON lines', async () => {
  site.app('shop', { web: `command = ${SLEEP}` });
  await site.metactl(['start', 'shop']);
  const following = startMetactl(['events', '-f', '--json', 'shop'], { root: site.root });
  await following.waitFor(/"running"/);
  await site.metactl(['stop', 'shop']);
  await following.waitFor(/"stopped","state":"stopped"/);
  await site.metactl(['stop', 'all']);
  const { stdout, status } = await following.ended;
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event);
  expect([events, status]).toEqual([['starting', 'running', 'stopping', 'ended', 'stopped'], 0]);
  expect(await site.metactl(['events'])).toMatchObject({ status: 3 });
});

it('what daemons in the background say is in their logs, from the first line to the last', async () => {
  site.app('shop', {
    web: 'command = /bin/sh -c "trap \'echo bye; exit 0\' TERM; echo hello; while :; do sleep 0.05; done"',
  });
  await site.metactl(['start', 'shop']);
  await expect.poll(async () => (await site.metactl(['logs', 'shop'])).stdout, { timeout: 10_000 }).toContain('hello');
  await site.metactl(['stop', 'shop']);
  expect((await site.metactl(['logs', 'shop', 'web'])).stdout).toMatch(/hello\n.*bye\n/);
});

it('events of what is not there is an error, of what did nothing is nothing', async () => {
  site.app('shop', { web: `command = ${SLEEP}` });
  site.app('idle', { web: `command = ${SLEEP}` });
  await site.metactl(['start', 'shop']);
  for (const more of [[], ['-f']]) {
    const app = await site.metactl(['events', 'nope', ...more]);
    expect([app.status, app.stdout]).toEqual([4, '']);
    expect(app.stderr).toContain('there is no app `nope`');
    const daemon = await site.metactl(['events', 'shop', 'nope', ...more]);
    expect([daemon.status, daemon.stdout]).toEqual([2, '']);
    expect(daemon.stderr).toContain('shop has no daemon `nope`');
  }
  expect(await site.metactl(['events', 'idle'])).toMatchObject({ status: 0, stdout: '', stderr: '' });
});

it('what happened before a supervisor was killed stands in its log', async () => {
  site.app('shop', { job: 'command = /bin/sh -c "exit 3"\nrestart = no' });
  await site.metactl(['start', 'shop']);
  const supervisor = await site.supervisor();
  for (const end = performance.now() + 5000; (await site.status('shop'))[0]!.state !== 'failed'; await sleep(20)) {
    expect(performance.now()).toBeLessThan(end);
  }
  process.kill(supervisor, 'SIGKILL');
  await gone(supervisor);
  site.app('shop', { job: `command = ${SLEEP}` });
  await site.metactl(['start', 'shop']);
  const [job] = await site.status('shop');
  expect(job).toMatchObject({ starts: { manual: 1, automatic: 0 }, restarts: 0, lastExit: null });
  const log = readFileSync(join(site.root, 'var/log/metactl/supervisor.log'), 'utf8');
  expect(log).toMatch(/^\S+Z shop\/job: \{.*"event":"ended".*"status":3/m);
  expect(log.match(/ listens$/gm)).toHaveLength(2);
});
