import { closeSync, createReadStream, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { ask } from '../../../src/supervisor/control/client.ts';
import { HANDOVER_VERSION } from '../../../src/supervisor/handover/document.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { startMetactl } from '../../helpers/run-metactl.ts';
import { gone, install, makeSite, processesWith, runInstalled, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = '/bin/sleep 98763';

/** Numbers its lines: bursts at full speed, which the pipe can't hold, with pauses that bound what is to be checked. */
const WRITER = `const { writeSync } = require('node:fs');
const pause = new Int32Array(new SharedArrayBuffer(4));
for (let n = 1; ; Atomics.wait(pause, 0, 0, 5)) {
  let text = '';
  for (let i = 0; i < 10000; i++) text += 'line ' + n++ + '\\n';
  for (let bytes = Buffer.from(text); bytes.length > 0; ) bytes = bytes.subarray(writeSync(1, bytes));
}
`;

/** Reads a daemon's log. @returns how many lines it has, and the first whose number does not follow that of the one before. */
async function gaps(app: string, daemon: string): Promise<{ lines: number; gap: string | undefined }> {
  const path = join(site.root, 'var/log/metactl', app, `${daemon}.log`);
  let lines = 0;
  let rest = '';
  let cut: string | undefined;
  for await (const chunk of createReadStream(path, { encoding: 'latin1', highWaterMark: 1 << 20 })) {
    const texts = (rest + chunk).split('\n');
    rest = texts.pop()!;
    for (const text of texts) {
      // The stop came in the midst of it: nothing may follow.
      const isCut = cut === undefined && ` line ${lines + 1}`.startsWith(/ out~( .*)$/.exec(text)?.[1] ?? '?');
      if (isCut) cut = text;
      else if (cut !== undefined || !text.endsWith(` out: line ${++lines}`)) return { lines, gap: cut ?? text };
    }
  }
  return { lines, gap: rest === '' ? undefined : rest };
}

describe('reexec', () => {
  it('keeps processes and loses no line of a daemon that writes at full speed, 20 times', async () => {
    site.scratch.appDirectory('shop', { 'writer.cjs': WRITER });
    site.app('shop', {
      web: `command = ${process.execPath} writer.cjs\nlog.max-size = 1G`,
      other: `command = ${SLEEP}`,
    });
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    const supervisor = await site.supervisor();
    const before = await site.status('shop');
    for (let i = 0; i < 20; i++) {
      const outcome = await site.metactl(['reexec']);
      expect(outcome).toMatchObject({ stderr: '', status: 0 });
      expect(outcome.stdout).toMatch(new RegExp(`^the supervisor \\(pid ${supervisor}\\) is metactl `));
    }
    const after = await site.status('shop');
    expect(after.map(({ pid, state, restarts }) => [pid, state, restarts])).toEqual(
      before.map(({ pid, state, restarts }) => [pid, state, restarts]),
    );
    expect(await site.supervisor()).toBe(supervisor);
    expect(processesWith(`--root ${site.root} supervise`)).toEqual([supervisor]);
    await site.metactl(['stop', 'shop']);
    const { lines, gap } = await gaps('shop', 'web');
    expect(gap).toBeUndefined();
    expect(lines).toBeGreaterThan(100_000);
  });

  it('keeps a daemon in each state as it is: ready, degraded, starting, stopping, backoff, waiting, failed', async () => {
    const ready = `say READY=1 say STATUS=fine ${'sleep 0.4 say WATCHDOG=1 '.repeat(30)} sleep 600`;
    site.app('shop', {
      ready: `command = ${site.notifier('shop', ready)}\nready = notify\nwatchdog-sec = 1500ms`,
      starting: `command = ${site.notifier('shop', 'sleep 10 say READY=1 sleep 600')}\nready = notify`,
      waiting: `command = ${SLEEP}\ndepends-on.starting = ready`,
      degraded: `command = ${SLEEP}\nhealth = exec:/bin/false\nhealth.action = alert\nhealth.interval = 100ms`,
      stopping: 'command = /bin/sh -c "trap : TERM; while :; do sleep 1; done"\ntimeout-stop-sec = 5s',
      backoff: 'command = /bin/false\nrestart-sec = 60s',
      failed: 'command = /bin/false\nrestart = no',
    });
    await site.metactl(['start', 'shop', '--no-wait']);
    const states = async () => Object.fromEntries((await site.status('shop')).map((one) => [one.daemon, one.state]));
    await expect
      .poll(states, { timeout: 10_000 })
      .toMatchObject({ ready: 'ready', degraded: 'degraded', backoff: 'backoff' });
    const stop = site.metactl(['stop', 'shop', 'stopping']);
    const stopped = performance.now();
    await expect.poll(states).toMatchObject({ stopping: 'stopping' });
    const before = await site.status('shop');
    expect(await site.metactl(['reexec'])).toMatchObject({ stderr: '', status: 0 });
    const after = await site.status('shop');
    const kept = ({ ageMs, uptimeMs, memory, cpuUsec, nextRetry, tasks, ...rest }: (typeof after)[number]) => ({
      ...rest,
      nextRetry: nextRetry === null ? null : Math.round(Date.parse(nextRetry) / 100),
    });
    expect(after.map(kept)).toEqual(before.map(kept));
    expect(Object.fromEntries(after.map((one) => [one.daemon, one.state]))).toEqual({
      ready: 'ready',
      starting: 'starting',
      waiting: 'starting',
      degraded: 'degraded',
      stopping: 'stopping',
      backoff: 'backoff',
      failed: 'failed',
    });
    // Who waited for the stop is told by the next process; the time that it may take began with the old one.
    expect(await stop).toMatchObject({ stdout: 'shop/stopping is stopped\n', stderr: '', status: 0 });
    expect(performance.now() - stopped).toBeGreaterThan(4500);
    // What is ready then lets go on what waits for it, and the watchdog hears what it heard before.
    await expect.poll(states, { timeout: 20_000 }).toMatchObject({ starting: 'ready', waiting: 'running' });
    expect((await site.status('shop', 'ready'))[0]).toMatchObject({ restarts: 0, state: 'ready', statusText: 'fine' });
  });

  it('a client that waits for a start, and one that follows the events, notice nothing', async () => {
    site.app('shop', { web: `command = ${site.notifier('shop', 'sleep 3 say READY=1 sleep 600')}\nready = notify` });
    await site.metactl(['start', 'shop', '--no-wait']);
    const start = site.metactl(['start', 'shop']);
    const events = startMetactl(['events', '--json', '-f', '-n', '100'], { root: site.root });
    await events.waitFor(/"event":"running"/);
    for (let i = 0; i < 3; i++) expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    expect(await start).toMatchObject({ stdout: 'shop/web was running\n', stderr: '', status: 0 });
    await events.waitFor(/"event":"ready"/);
    await site.metactl(['stop', 'shop']);
    await events.waitFor(/"event":"stopped"/);
    const { stdout } = await events.stop();
    const numbers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).seq);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it('loses no start and no end of daemons that crash all the time', async () => {
    const enough = join(site.scratch.appDirectory('shop', {}), 'enough');
    const script = `echo once; [ -e ${enough} ] && exec ${SLEEP}; sleep 0.02; exit 1`;
    const count = `command = /bin/sh -c "${script}"\nrestart-sec = 10ms\nrestart-max-delay-sec = 20ms`;
    site.app('shop', { a: count, b: count, c: count });
    await site.metactl(['start', 'shop', '--no-wait']);
    const crashes = async () => Math.min(...(await site.status('shop')).map(({ starts }) => starts.automatic));
    for (let i = 1; i <= 5; i++) {
      // However fast the machine is, there are ends and starts between two replacements.
      await expect.poll(crashes, { timeout: 20_000 }).toBeGreaterThan(4 * i);
      expect(await site.metactl(['reexec'])).toMatchObject({ stderr: '', status: 0 });
    }
    const supervisor = await site.supervisor();
    writeFileSync(enough, '');
    const youngest = async () => Math.min(...(await site.status('shop')).map(({ uptimeMs }) => uptimeMs ?? 0));
    await expect.poll(youngest, { timeout: 10_000 }).toBeGreaterThan(500);
    await site.metactl(['stop', 'shop']);
    for (const { daemon, starts } of await site.status('shop')) {
      const text = readFileSync(join(site.root, `var/log/metactl/shop/${daemon}.log`), 'utf8');
      expect(text.match(/ out: once\n/g)).toHaveLength(starts.manual + starts.automatic);
    }
    // None is left that nobody waits for.
    const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8');
    expect(children).toBe('');
  });

  it('keeps networks, users and descriptors: what is restarted afterwards is as before', async () => {
    const directory = site.scratch.appDirectory('net', {});
    const sandbox =
      '[sandbox]\nuser-namespace = yes\n[firewall.out]\npolicy = reject\n[firewall.out.accept]\na = 192.0.2.9:80';
    site.scratch.node('net', `[app]\ndirectory = ${directory}\n${sandbox}\n[daemon.web]\ncommand = ${SLEEP}\n`);
    expect(await site.metactl(['start', 'net'])).toMatchObject({ stderr: '', status: 0 });
    const supervisor = await site.supervisor();
    const descriptors = () => readdirSync(`/proc/${supervisor}/fd`).length;
    const [before] = await site.status('net');
    await site.metactl(['reexec']);
    await sleep(300);
    const one = descriptors();
    for (let i = 0; i < 5; i++) await site.metactl(['reexec']);
    await sleep(300);
    expect(descriptors()).toBeLessThanOrEqual(one + 1);
    expect(await site.metactl(['exec', 'net', '--', '/bin/true'])).toMatchObject({ status: 0 });
    process.kill(before!.pid!, 'SIGKILL');
    await expect
      .poll(async () => (await site.status('net'))[0], { timeout: 10_000 })
      .toMatchObject({
        state: 'running',
        restarts: 1,
        ip: before!.ip,
        changed: [],
      });
    expect(await site.metactl(['exec', 'net', '--', '/bin/true'])).toMatchObject({ status: 0 });
    site.scratch.node('net', `[app]\ndirectory = ${directory}\n${sandbox}\n[daemon.web]\ncommand = ${SLEEP}1\n`);
    expect((await site.status('net'))[0]).toMatchObject({ changed: ['[daemon.web] command'] });
    await site.metactl(['reexec']);
    expect((await site.status('net'))[0]).toMatchObject({ changed: ['[daemon.web] command'] });
    expect(await site.metactl(['stop', 'net'])).toMatchObject({ stderr: '', status: 0 });
    expect(processesWith(SLEEP)).toEqual([]);
  });
});

/** Puts another text into the pieces of an installed copy, in which V8's caches then no longer fit. */
function patch(name: string, from: RegExp, to: string): void {
  const dist = join(site.root, name, 'dist');
  let found = 0;
  for (const file of readdirSync(dist).filter((one) => one.endsWith('.cjs'))) {
    const path = join(dist, file);
    const text = readFileSync(path, 'utf8');
    if (!from.test(text)) continue;
    writeFileSync(path, text.replace(from, to));
    rmSync(`${path}.cache`, { force: true });
    found++;
  }
  expect(found).toBe(1);
}

const VERSION = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')).version as string;
const OWN_VERSION = new RegExp(`"${VERSION.replaceAll('.', '\\.')}"`);

describe('an upgrade', () => {
  const app = () => site.app('shop', { web: `command = ${SLEEP}` });
  const hello = () =>
    ask(join(site.root, 'run/metactl/control.sock'), 'hello') as Promise<{ pid: number; version: string }>;
  const reexec = (request = {}) => ask(join(site.root, 'run/metactl/control.sock'), 'reexec', request);

  it('to what is installed in the place of the old version, or beside it', async () => {
    app();
    const program = install(site, 'installed');
    expect((await runInstalled(site, program, 'start', 'shop'))[0]).toBe(0);
    const pid = await site.supervisor();
    const [web] = await site.status('shop');
    // As a package manager does it: the new files take the old ones' names.
    rmSync(join(site.root, 'installed'), { recursive: true });
    install(site, 'installed');
    patch('installed', OWN_VERSION, '"98.7.6"');
    expect(await reexec()).toMatchObject({ pid, version: '98.7.6', replaced: 1 });
    const beside = install(site, 'beside');
    patch('beside', OWN_VERSION, '"99.8.7"');
    expect(await runInstalled(site, beside, 'reexec')).toEqual([
      0,
      `the supervisor (pid ${pid}) is metactl 99.8.7 now; it was 98.7.6\n`,
    ]);
    expect(await hello()).toMatchObject({ pid, version: '99.8.7', replaced: 2 });
    expect((await site.status('shop'))[0]).toMatchObject({ pid: web!.pid, restarts: 0, state: 'running' });
    // Its own directory is where it came from now.
    expect(await reexec()).toMatchObject({ version: '99.8.7', replaced: 3 });
  });

  it('says so where nothing is installed any more, and goes on', async () => {
    app();
    const program = install(site, 'installed');
    await runInstalled(site, program, 'start', 'shop');
    const pid = await site.supervisor();
    rmSync(join(site.root, 'installed'), { recursive: true });
    await expect(reexec()).rejects.toMatchObject({
      code: 'METACTL_NOT_INSTALLED',
      message: `${program} is gone: the supervisor goes on as it is, and nothing was replaced`,
    });
    expect(await hello()).toMatchObject({ pid, version: VERSION, replaced: 0 });
    expect((await site.status('shop'))[0]).toMatchObject({ restarts: 0, state: 'running' });
    expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    expect(await hello()).toMatchObject({ pid, version: VERSION, replaced: 1 });
  });

  it('to what is broken, or too far away, is refused before anything is touched', async () => {
    app();
    await site.metactl(['start', 'shop']);
    const pid = await site.supervisor();
    const [web] = await site.status('shop');
    const program = install(site, 'installed');
    // An upgrade, then the way back.
    for (const [from, to] of [
      [HANDOVER_VERSION, HANDOVER_VERSION + 1],
      [HANDOVER_VERSION + 1, HANDOVER_VERSION - 1],
    ] as const) {
      patch('installed', new RegExp(`HANDOVER_VERSION=${from}\\b`), `HANDOVER_VERSION=${to}`);
      expect(await runInstalled(site, program, 'reexec')).toEqual([
        1,
        `metactl: ${program} can't take over: can't read what is handed over: its format is version ${HANDOVER_VERSION}, and this metactl reads ${to}\n  step: replace the supervisor\n` +
          '  hint: everything goes on as it was; where the versions are too far apart, metactl stop all, then metactl start all\n',
      ]);
      expect((await site.status('shop'))[0]).toMatchObject({ pid: web!.pid, restarts: 0, state: 'running' });
    }
    writeFileSync(join(site.root, 'installed/build/Release/metactl-init'), '');
    rmSync(join(site.root, 'installed/build/Release/metactl.node'));
    await expect(reexec({ program })).rejects.toMatchObject({ code: 'METACTL_HANDOVER' });
    writeFileSync(program, 'process.exit(0)');
    await expect(reexec({ program })).rejects.toMatchObject({
      message: `${program} can't take over: it ended without an answer`,
    });
    await expect(reexec({ program, node: '/bin/false' })).rejects.toMatchObject({ code: 'METACTL_HANDOVER' });
    expect(await hello()).toMatchObject({ pid, version: VERSION, replaced: 0 });
    expect((await site.status('shop'))[0]).toMatchObject({ pid: web!.pid, restarts: 0, state: 'running' });
  });

  it('that can not go on after all ends its daemons, and says so', async () => {
    app();
    await site.metactl(['start', 'shop']);
    const pid = await site.supervisor();
    // Another's by now: found out by nobody before the very last moment.
    const lock = join(site.root, 'run/metactl/shop/web.lock');
    rmSync(lock);
    const other = openSync(lock, 'w', 0o600);
    expect(addon().flock(other, 'exclusive')).toBe(true);
    expect(await site.metactl(['reexec'])).toMatchObject({ status: expect.toBeOneOf([1, 3]) });
    await gone(pid, 3000);
    closeSync(other);
    for (const end = performance.now() + 1000; processesWith(SLEEP).length > 0; await sleep(10)) {
      expect(performance.now()).toBeLessThan(end);
    }
    const log = readFileSync(join(site.root, 'var/log/metactl/supervisor.log'), 'utf8');
    expect(log).toMatch(/is not the lock .*web\.lock; all daemons end with this supervisor\n/);
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    expect(processesWith(SLEEP)).toHaveLength(1);
  });
});
