import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, processesWith, type Site } from './site.ts';

/** Daemons that do what they must not, under the supervisor in the background. A neighbour must notice nothing. */

leakCheck();

let site: Site;
beforeEach(async () => {
  site = makeSite();
  site.app('calm', { web: `command = ${NEIGHBOUR}` });
  await site.metactl(['start', 'calm']);
});
afterEach(async () => {
  // Whatever the other one did: same process, never restarted.
  expect((await site.status('calm'))[0]).toMatchObject({ state: 'running', restarts: 0 });
  await site.remove();
});

const NEIGHBOUR = '/bin/sleep 98765';
const MARK = 'sleep 98766';

function shop(script: string, keys = ''): void {
  site.scratch.appDirectory('shop', { 'web.sh': `#!/bin/bash\n${script}\n` });
  site.app('shop', { web: `command = ./web.sh\n${keys}` });
}

const web = async () => (await site.status('shop'))[0]!;
const log = () => readFileSync(join(site.root, 'var/log/metactl/shop/web.log'));
const events = async () => (await site.metactl(['events', '--json', 'shop', '-n', '1000'])).stdout;

describe('a daemon that', () => {
  it('ignores SIGTERM is killed at its timeout', async () => {
    shop(
      `trap "" TERM INT HUP\n${MARK} &\necho up\nwhile :; do wait; done`,
      'timeout-stop-sec = 700ms\nready = log:up',
    );
    await site.metactl(['start', 'shop']);
    const from = performance.now();
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
    expect(performance.now() - from).toBeGreaterThan(700);
    expect(await web()).toMatchObject({ state: 'stopped', lastExit: { status: 137 } });
    expect(await events()).toContain('"event":"killing","state":"stopping","timeout":true');
    expect(processesWith(MARK)).toEqual([]);
  });

  it('forks for ever is bounded by its tasks, and can be stopped', async () => {
    // Its children have children and outlive it.
    shop(
      `echo up\nf() { while :; do (f) & (setsid f) & done; }\nf 2>/dev/null`,
      'limit-nproc = 100\ntasks-max = 100\nready = log:up\ntimeout-stop-sec = 300ms',
    );
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    await expect.poll(async () => (await web()).tasks ?? 0, { timeout: 20_000 }).toBeGreaterThan(80);
    expect((await web()).tasks).toBeLessThanOrEqual(100);
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
    expect(processesWith('web.sh')).toEqual([]);
  });

  it('floods its log is slowed, not lost, and neither memory nor others suffer', async () => {
    shop(
      'n=0; while [ $n -lt 4000 ]; do printf "%0100000d\\n" $((n++)); done; echo done; exec sleep 600',
      'ready = log:^done\nready.timeout = 1min\nlog.max-size = 1G',
    );
    const supervisor = await site.supervisor();
    const memory = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${supervisor}/status`, 'utf8'))![1]);
    const before = memory();
    const starting = site.metactl(['start', 'shop'], { timeout: 60_000 });
    let most = 0;
    let slowest = 0;
    const end = starting.then(() => true);
    for (;;) {
      const from = performance.now();
      await site.status('calm');
      slowest = Math.max(slowest, performance.now() - from);
      most = Math.max(most, memory());
      if (await Promise.race([end, sleep(50)])) break;
    }
    expect(await starting).toMatchObject({ status: 0 });
    expect(most - before).toBeLessThan(60 * 1024);
    expect(slowest).toBeLessThan(10_000);
    // Lines of 100,000 bytes come in three pieces each; no byte is missing.
    const bytes = log().reduce((sum, byte) => sum + (byte === 0x2b ? 1 : 0), 0);
    expect(bytes).toBeGreaterThanOrEqual(8000);
    expect(log().subarray(-200).toString()).toContain(' out: done\n');
  }, 90_000);

  it('closes its output runs on', async () => {
    shop('echo last words; exec >&- 2>&-; exec sleep 98766');
    await site.metactl(['start', 'shop']);
    await expect.poll(() => log().toString()).toContain(' out: last words\n');
    await sleep(300);
    expect(await web()).toMatchObject({ state: 'running', restarts: 0 });
    expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ status: 0 });
    expect(processesWith(MARK)).toEqual([]);
  });

  it('stops itself obeys a stop all the same', async () => {
    shop('echo up\nkill -STOP $$\nexec sleep 98766', 'ready = log:up\ntimeout-stop-sec = 20s');
    await site.metactl(['start', 'shop']);
    const from = performance.now();
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
    expect(performance.now() - from).toBeLessThan(15_000);
    expect(await web()).toMatchObject({ lastExit: { status: 143 } });
  });

  it('stops itself is found out by its watchdog', async () => {
    const words = 'say READY=1 sleep 600';
    site.app('shop', {
      web: `command = ${site.notifier('shop', words)}\nready = notify\nwatchdog-sec = 500ms\nrestart = no`,
    });
    await site.metactl(['start', 'shop']);
    await expect
      .poll(web, { timeout: 10_000 })
      .toMatchObject({ state: 'failed', reason: 'gave no sign of life within watchdog-sec' });
  });
});

describe('sd_notify', () => {
  /** A socket is written to from outside: by a process that is none of the daemon's. */
  const forge = (text: string) =>
    execFileSync('/usr/bin/python3', [
      '-c',
      'import socket,sys,time\ns=socket.socket(1,2)\ns.sendto(sys.argv[2].encode(),sys.argv[1])\ntime.sleep(0.3)',
      join(site.root, 'run/metactl/shop/web.notify'),
      text,
    ]);

  it('from the wrong process is not believed', async () => {
    site.app('shop', { web: `command = ${site.notifier('shop', 'sleep 600')}\nready = notify\nready.timeout = 20s` });
    await site.metactl(['start', 'shop', '--no-wait']);
    await expect.poll(() => existsSync(join(site.root, 'run/metactl/shop/web.notify')), { timeout: 10_000 }).toBe(true);
    forge('READY=1\nSTATUS=forged');
    await expect.poll(events).toContain('is none of its: what it says by sd_notify is ignored');
    expect(await web()).toMatchObject({ state: 'starting', statusText: null });
  });

  it('oversized, malformed, or with 250 descriptors does no harm', async () => {
    const long = Buffer.from(`READY=1\n${'x'.repeat(5000)}`).toString('hex');
    const words = `bytes ff00ff bytes ${long} fds 250 FDSTORE=1 fds 250 X=1 sleep 0.5 say READY=1 sleep 600`;
    site.app('shop', { web: `command = ${site.notifier('shop', words)}\nready = notify` });
    const supervisor = await site.supervisor();
    const descriptors = () => readdirSync(`/proc/${supervisor}/fd`).length;
    const before = descriptors();
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    const told = await events();
    expect(told).toContain('a message by sd_notify is malformed: it is ignored');
    expect(told).toContain('a message by sd_notify is oversized: it is ignored');
    expect(told).toContain('it leaves more descriptors (FDSTORE) than `file-descriptor-store-max = 0` allows');
    expect(descriptors() - before).toBeLessThan(40);
  });

  it.each([
    ['says what it does', 'STATUS=%d'],
    ['reloads', 'RELOADING=1', 'READY=1'],
  ])("%s all the time, and neither events of others nor the supervisor's log suffer", async (_, ...texts) => {
    const script = [
      'import os, socket',
      'one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
      'one.connect(os.environ["NOTIFY_SOCKET"])',
      'one.send(b"READY=1")',
      'n = 0',
      'while True:',
      '    n += 1',
      ...texts.map((text) => `    one.send("${text}".replace("%d", str(n)).encode())`),
    ];
    site.scratch.appDirectory('shop', { 'flood.py': `${script.join('\n')}\n` });
    site.app('shop', { web: 'command = /usr/bin/python3 flood.py\nready = notify' });
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    await sleep(3000);
    const text = async () => (await web()).statusText;
    const first = await text();
    // What it says now is shown at once, however often that is.
    if (texts.length === 1) await expect.poll(text, { interval: 10, timeout: 1000 }).not.toBe(first);
    expect((await site.metactl(['events', 'calm'])).stdout).toMatch(/calm\/web running/);
    expect((await events()).split('\n').length).toBeLessThan(120);
    const own = readFileSync(join(site.root, 'var/log/metactl/supervisor.log'), 'utf8');
    expect(own).toContain('calm/web');
    expect(own.split('\n').length).toBeLessThan(130);
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
    expect(await events()).toContain('"event":"ended"');
  });

  it('can hide nothing in status, events and why', async () => {
    const words = 'bytes 5354415455533d1b5b324a1b5d303b7807c29be280ae0d787c say READY=1 sleep 600';
    site.app('shop', { web: `command = ${site.notifier('shop', words)}\nready = notify` });
    await site.metactl(['start', 'shop']);
    expect((await web()).statusText).toMatch(/^\\x1b\[2J\\x1b\]0;x\\x07\\u?0*x?9b\\u202e\\rx\|$/i);
    for (const verb of ['status', 'events', 'why']) {
      const { stdout } = await site.metactl([verb, 'shop']);
      expect(stdout).not.toMatch(HARMFUL);
    }
  });
});

/** What steers a terminal, or turns the direction of what is written. */
const HARMFUL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u;

it('ANSI and bidi tricks in log lines are kept in the file and shown harmlessly', async () => {
  const trick = '\\033[2J\\033]0;owned\\007\\xe2\\x80\\xae gnp.exe\\rshop/web is fine \\xc2\\x9b31m';
  shop(`printf '${trick}\\n'; printf '${trick}\\n' >&2; exec sleep 98766`);
  await site.metactl(['start', 'shop']);
  await expect.poll(() => log().includes('\x1b[2J\x1b]0;owned\x07')).toBe(true);
  const { stdout } = await site.metactl(['logs', 'shop', '-n', '10']);
  expect(stdout).toContain('\\x1b[2J\\x1b]0;owned\\x07');
  expect(stdout).not.toMatch(HARMFUL);
});
