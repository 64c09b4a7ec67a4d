import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { gone, makeSite, type Site } from './site.ts';

/** Readiness of daemons in the background: `start` waits for what `ready` says. */

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

/** Milliseconds after which each of these daemons is ready: `start` must not come back before. */
const DELAY = 600;
const WAIT = `sleep ${DELAY / 1000}`;

const CONDITIONS: Readonly<Record<string, { readonly words: string; readonly ready: string }>> = {
  notify: { words: `${WAIT} say READY=1 sleep 600`, ready: 'notify' },
  'tcp:PORT': { words: `${WAIT} listen 8123 sleep 600`, ready: 'tcp:8123' },
  'http:PORT/path': { words: `${WAIT} http 8124 STATUS sleep 600`, ready: 'http:8124/well' },
  'exec:COMMAND': { words: `${WAIT} touch up sleep 600`, ready: 'exec:/usr/bin/test -e STATE/up' },
  'log:REGEX': { words: `print "not yet" ${WAIT} print "it is up now" sleep 600`, ready: 'log:up now$' },
  'fd:N': { words: `${WAIT} newline 5 sleep 600`, ready: 'fd:5' },
};

describe('start waits for a daemon that is ready by', () => {
  it.each(Object.entries(CONDITIONS))('%s', async (_name, { words, ready }) => {
    const status = join(site.scratch.appDirectory('shop', {}), 'status');
    writeFileSync(status, '200');
    const state = join(site.root, 'var/lib/metactl/apps/shop/state');
    const command = site.notifier('shop', words.replace('STATUS', status));
    site.app('shop', { web: `command = ${command}\nready = ${ready.replace('STATE', state)}` });
    const from = performance.now();
    expect(await site.metactl(['start', 'shop'])).toEqual({
      stdout: 'shop/web is up\n',
      stderr: '',
      status: 0,
      signal: undefined,
    });
    expect(performance.now() - from).toBeGreaterThan(DELAY);
    expect((await site.status('shop'))[0]).toMatchObject({ state: 'ready', ready: true, restarts: 0 });
    // And the next start of it by the policy is watched anew.
    process.kill((await site.status('shop'))[0]!.pid!, 'SIGKILL');
    const again = async () => (await site.status('shop'))[0];
    await expect.poll(again, { timeout: 10_000 }).toMatchObject({ state: 'ready', restarts: 1 });
  });

  it('nothing of the kind in time: 5, and why', async () => {
    site.app('shop', {
      web: `command = ${site.notifier('shop', 'sleep 600')}\nready = tcp:8125\nready.timeout = 500ms`,
    });
    const { status, stderr } = await site.metactl(['start', 'shop']);
    expect(status).toBe(5);
    expect(stderr).toMatch(
      /^metactl: shop\/web was not ready: not ready within \d+ms: port 8125: connection refused$/m,
    );
    // Also seen by who looks later.
    const [{ lastExit }] = (await site.status('shop')) as [StatusRecord];
    expect(lastExit?.cause).toMatch(/^died of SIGTERM \(not ready within \d+ms: port 8125: connection refused\)$/);
    expect(await site.metactl(['start', 'shop', '--no-wait'])).toMatchObject({ status: 0 });
  });

  it('that it is ready, and that is no warning', async () => {
    site.app('shop', { web: `command = ${site.notifier('shop', 'say READY=1 sleep 600')}\nready = notify` });
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    expect((await site.metactl(['events', 'shop'])).stdout).toMatch(/shop\/web note: ready after 0\.\d+ s\n$/);
  });

  it('a probe during which it exits: 1, and it is asked again when it is started again', async () => {
    const flag = join(site.scratch.appDirectory('shop', {}), 'flag');
    const script = `[ -e ${flag} ] && exec sleep 600; sleep 0.3; exit 4`;
    site.app('shop', {
      web: `command = /bin/sh -c "${script}"\nready = exec:/bin/sh -c "[ -e ${flag} ] || sleep 30"\nrestart-sec = 300ms`,
    });
    const { status, stderr } = await site.metactl(['start', 'shop']);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining('shop/web ended with status 4 before it was up; it will be started again'),
    ]);
    writeFileSync(flag, '');
    const web = async () => (await site.status('shop'))[0];
    await expect.poll(web, { timeout: 10_000 }).toMatchObject({ state: 'ready' });
    const supervisor = await site.supervisor();
    // The probe went with the daemon: no child of the supervisor is left but the daemon itself.
    const children = readFileSync(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8').trim().split(' ');
    expect(children).toEqual([String((await web())!.pid)]);
  });

  it('a supervisor that is killed meanwhile: it says so', async () => {
    site.app('shop', { web: `command = ${site.notifier('shop', 'sleep 600')}\nready = notify` });
    const start = site.metactl(['start', 'shop']);
    await expect.poll(async () => (await site.status('shop'))[0]?.state, { timeout: 10_000 }).toBe('starting');
    const pid = await site.supervisor();
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    expect(await start).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('the supervisor ended before it answered'),
    });
  });
});

describe('a daemon that is not well, with health.action = alert', () => {
  const UNWELL =
    'ready = notify\nhealth = exec:/bin/false\nhealth.interval = 100ms\nhealth.threshold = 2\nhealth.action = alert';

  it('is not well after a reload either, and a supervisor that takes over meanwhile knows', async () => {
    const reloads = 'say RELOADING=1 sleep 3 say READY=1 say STATUS=done sleep 600';
    site.app('shop', {
      before: `command = ${site.notifier('shop', `say READY=1 sleep 1 ${reloads}`)}\n${UNWELL}`,
      during: `command = ${site.notifier('shop', `say READY=1 ${reloads}`)}\n${UNWELL}`,
    });
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    const states = async () => Object.fromEntries((await site.status('shop')).map((one) => [one.daemon, one.state]));
    await expect.poll(states, { timeout: 10_000 }).toEqual({ before: 'reloading', during: 'reloading' });
    expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    expect(await states()).toEqual({ before: 'reloading', during: 'reloading' });
    const done = async () => (await site.status('shop')).map(({ statusText }) => statusText);
    await expect.poll(done, { timeout: 10_000 }).toEqual(['done', 'done']);
    const reason = 'not well 2 times in a row: ended with status 1';
    for (const status of await site.status('shop')) expect(status).toMatchObject({ state: 'degraded', reason });
    const { stdout } = await site.metactl(['events', 'shop', '--json']);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const of = (daemon: string) =>
      events.flatMap((one) =>
        one.daemon === daemon && /^(?:ready|degraded|reloading)$/.test(one.event) ? [one.event] : [],
      );
    expect(of('before')).toEqual(['ready', 'degraded', 'reloading', 'degraded']);
    expect(of('during')).toEqual(['ready', 'reloading', 'degraded']);
    expect((await site.metactl(['why', 'shop'])).stdout).toContain(`shop/during is not well: ${reason}`);
  });
});
