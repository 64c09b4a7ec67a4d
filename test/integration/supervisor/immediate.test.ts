import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../../../src/supervisor/control/client.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { gone, makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = '/bin/sleep 98767';
const NAMES = Array.from({ length: 12 }, (_, i) => `d${i}`);
/** Longer than a run must last to be stable, ms. */
const STABLE = 1500;

/** Daemons of which each says that it is up; a network namespace that lasts is what a launch in advance needs. */
function app(names: readonly string[], text = '', word = 'up'): void {
  const directory = site.scratch.appDirectory('shop', { run: `#!/bin/sh\necho ${word}\nexec ${SLEEP}\n` });
  const sections = names.map((name) => `[daemon.${name}]\ncommand = sh ./run\nrestart-reset-sec = 1s\n${text}\n`);
  site.scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = host\n${sections.join('')}`);
}

const request = (verb: string, more: object = {}) =>
  ask(join(site.root, 'run/metactl/control.sock'), verb, { app: 'shop', ...more });

async function start(): Promise<void> {
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  await site.supervisor();
  await sleep(STABLE);
}

/** Every metactl-init of the app, or of one of its daemons. */
function inits(daemon = ''): number[] {
  return processesWith(`metactl-init shop/${daemon}`);
}

/** Those that are no daemon's. */
function spares(records: readonly { readonly pid: number | null }[]): number[] {
  const known = new Set(records.map(({ pid }) => pid));
  return inits().filter((pid) => !known.has(pid));
}

async function untilReaped(pid: number): Promise<void> {
  await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 2000 }).toBe(false);
}

function killAll(): number[] {
  const pids = processesWith(SLEEP);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return pids;
}

/** How often a daemon has said that it is up. */
function ups(name: string): number {
  const text = readFileSync(join(site.root, `var/log/metactl/shop/${name}.log`), 'utf8');
  return text.match(/ out: up\n/g)?.length ?? 0;
}

/** Until so many run that are none of `before`, and all is told. */
async function untilRunning(count: number, before: readonly number[]): Promise<void> {
  for (const end = performance.now() + 10_000; ; await sleep(20)) {
    const pids = processesWith(SLEEP).filter((pid) => !before.includes(pid));
    const states = (await site.status('shop')).map(({ state }) => state);
    if (pids.length === count && states.every((state) => state === 'running')) return;
    if (performance.now() > end) throw new Error(`${pids.length} run, told as ${states.join(' ')}`);
  }
}

describe('a stable daemon that dies', () => {
  it('is back at once, once, and all of it is told in order', async () => {
    app(NAMES);
    await start();
    for (let round = 1; round <= 3; round++) {
      const before = killAll();
      expect(before).toHaveLength(NAMES.length);
      await untilRunning(NAMES.length, before);
      const records = await site.status('shop');
      for (const { restarts, starts } of records) expect([restarts, starts.automatic]).toEqual([round, round]);
      for (const { lastExit } of records) expect(lastExit).toMatchObject({ status: 137, failed: true });
      await sleep(STABLE);
    }
    // What each wrote is in its log: no start has gone unseen.
    expect(NAMES.map(ups)).toEqual(NAMES.map(() => 4));
    const { stdout } = await site.metactl(['events', 'shop', 'd3', '--json']);
    const types = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { readonly event: string }).event);
    const tail = types.filter((type) => ['ended', 'backoff', 'starting', 'running'].includes(type)).slice(-4);
    expect(tail).toEqual(['ended', 'backoff', 'starting', 'running']);
    expect(await site.metactl(['exec', 'shop', 'd3', '--', 'true'])).toMatchObject({ stderr: '', status: 0 });
  });

  it('stays down if the stop comes at that moment, before or after', async () => {
    app(NAMES);
    for (const delay of [0, 0, 1, 2, 3, 5]) {
      await start();
      killAll();
      if (delay > 0) await sleep(delay);
      await request('stop', { wait: true });
      expect(processesWith(SLEEP)).toEqual([]);
      if (delay === 5) break;
      expect((await site.status('shop')).map(({ state }) => state)).toEqual(NAMES.map(() => 'stopped'));
    }
  });

  it('is back once if the supervisor is replaced at that moment', async () => {
    app(NAMES);
    await start();
    for (const delay of [0, 2, 10, 40, 80]) {
      const before = processesWith(SLEEP);
      const reexec = site.metactl(['reexec']);
      await sleep(200 + delay);
      killAll();
      expect(await reexec).toMatchObject({ status: 0 });
      await untilRunning(NAMES.length, before);
      await sleep(STABLE);
    }
    for (const { starts } of await site.status('shop')) expect(starts).toEqual({ manual: 1, automatic: 5 });
    expect(NAMES.map(ups)).toEqual(NAMES.map(() => 6));
  });

  it('is what it was started as, whatever its configuration says by now', async () => {
    app(['d0']);
    await start();
    app(['d0'], 'restart = no');
    const before = killAll();
    await untilRunning(1, before);
    expect((await site.status('shop'))[0]).toMatchObject({ restarts: 1 });
    await sleep(STABLE);
    expect(await site.metactl(['restart', 'shop'])).toMatchObject({ status: 0 });
    await sleep(STABLE);
    killAll();
    await sleep(300);
    expect((await site.status('shop'))[0]).toMatchObject({ state: 'failed' });
    expect(processesWith(SLEEP)).toEqual([]);
  });

  it('does not come back more often than its start limit says', async () => {
    app(['d0'], 'start-limit-burst = 2');
    await start();
    for (let i = 0; i < 2; i++) {
      const before = killAll();
      await untilRunning(1, before);
      await sleep(STABLE);
    }
    killAll();
    await sleep(300);
    expect((await site.status('shop'))[0]).toMatchObject({ state: 'maintenance' });
    expect(processesWith(SLEEP)).toEqual([]);
  });

  it('has its next sandbox ready, which counts as nothing and is what it comes back in', async () => {
    app(NAMES);
    await start();
    const records = await site.status('shop');
    for (const { tasks } of records) expect(tasks).toBe(2);
    const spare = spares(records);
    expect(spare).toHaveLength(NAMES.length);
    const before = killAll();
    await untilRunning(NAMES.length, before);
    const after = await site.status('shop');
    expect(after.map(({ pid }) => pid).sort()).toEqual(spare.sort());
    for (const { tasks } of after) expect(tasks).toBe(2);
    await sleep(STABLE);
    expect(spares(after)).toHaveLength(NAMES.length);
    // None is left of one that is stopped, or of one that is told to stop one by one.
    await site.metactl(['stop', 'shop', 'd0']);
    expect(inits('d0')).toEqual([]);
    const { stdout } = await site.metactl(['exec', 'shop', 'd1', '--', 'sh', '-c', 'echo /proc/[0-9]*']);
    expect(stdout.trim().split(' ').length).toBeLessThan(5);
    await site.metactl(['stop', 'shop']);
    expect(inits()).toEqual([]);
  });

  it('is begun anew where its next sandbox was killed', async () => {
    app(['d0']);
    await start();
    const [spare] = spares(await site.status('shop'));
    process.kill(spare!, 'SIGKILL');
    await gone(spare!);
    await untilReaped(spare!);
    // Another one might end in the same way.
    await sleep(STABLE);
    expect(spares(await site.status('shop'))).toEqual([]);
    const before = killAll();
    await untilRunning(1, before);
    const [record] = await site.status('shop');
    expect(record).toMatchObject({ restarts: 1 });
    expect(record!.pid).not.toBe(spare);
    await sleep(STABLE);
    expect(spares([record!])).toHaveLength(1);
  });

  it('keeps none of its next sandboxes over a replacement of the supervisor, nor over its death', async () => {
    app(NAMES);
    await start();
    const supervisor = await site.supervisor();
    const before = spares(await site.status('shop'));
    expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    for (const pid of before) await untilReaped(pid);
    await sleep(STABLE);
    expect(spares(await site.status('shop'))).toHaveLength(NAMES.length);
    process.kill(supervisor, 'SIGKILL');
    await gone(supervisor);
    await expect.poll(() => inits(), { timeout: 1000 }).toEqual([]);
  });

  it('goes with a supervisor that is killed at that moment', async () => {
    app(NAMES);
    for (const delay of [0, 1, 3]) {
      await start();
      const supervisor = await site.supervisor();
      const daemons = killAll();
      if (delay > 0) await sleep(delay);
      process.kill(supervisor, 'SIGKILL');
      await gone(supervisor);
      for (const pid of daemons) await gone(pid);
      await sleep(500);
      expect(processesWith(SLEEP)).toEqual([]);
    }
  });
});
