import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../../../src/supervisor/control/client.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Outcome, startMetactl } from '../../helpers/run-metactl.ts';
import { gone, makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = '/bin/sleep 98764';
/** Ends two seconds after SIGTERM. */
const SLOW = `command = /bin/sh -c 'trap "sleep 2; exit 0" TERM; while :; do sleep 0.1; done'`;

/** Asks for a restart of what takes long to stop, and returns once it does. */
async function restarting(...target: string[]): Promise<{ readonly outcome: Promise<Outcome> }> {
  const outcome = site.metactl(['restart', ...target]);
  const web = async () => (await site.status('shop', 'web'))[0]?.state;
  await expect.poll(web, { interval: 20 }).toBe('stopping');
  return { outcome };
}

describe('a start that fails', () => {
  it('does not lose what another one starts that waits for it', async () => {
    site.app('shop', { web: `command = ${SLEEP}` });
    site.app('other', { web: `command = ${SLEEP}` });
    await site.metactl(['start', 'other']);
    const socket = join(site.root, 'run/metactl/control.sock');
    const [failed, started] = await Promise.all([
      ask(socket, 'start', { app: 'shop', daemon: 'nosuch', wait: true }).catch((error: Error) => error.message),
      ask(socket, 'start', { app: 'shop', daemon: 'web', wait: true }),
    ]);
    expect(failed).toBe('shop has no daemon `nosuch`');
    expect(started).toMatchObject({ daemons: [{ daemon: 'web', done: 'is up' }] });
    expect((await site.status('shop', 'web'))[0]?.state).toBe('running');
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
  });
});

describe('a stop while a restart waits for the end', () => {
  it('is the last word', async () => {
    site.app('shop', { web: SLOW });
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    const { outcome: restart } = await restarting('shop');
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
    expect(await restart).toMatchObject({
      stdout: '',
      stderr: expect.stringContaining('shop was stopped while it was being restarted'),
      status: 1,
    });
    await sleep(300);
    expect((await site.status('shop'))[0]?.state).toBe('stopped');
    // Whoever starts it later still is obeyed.
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ stdout: 'shop/web is up\n', status: 0 });
    expect(await site.metactl(['restart', 'shop'])).toMatchObject({ stdout: 'shop/web is up again\n', status: 0 });
  });

  it('of one daemon leaves the others their restart', async () => {
    site.app('shop', { web: SLOW, db: `command = ${SLEEP}` });
    await site.metactl(['start', 'shop']);
    const { outcome: restart } = await restarting('shop');
    await site.metactl(['stop', 'shop', 'web']);
    expect(await restart).toMatchObject({ stdout: 'shop/db is up again\n', status: 0 });
    expect((await site.status('shop')).map(({ daemon, state }) => [daemon, state])).toEqual(
      expect.arrayContaining([
        ['web', 'stopped'],
        ['db', 'running'],
      ]),
    );
  });

  it('and the supervisor’s end start nothing any more', async () => {
    site.app('shop', { web: SLOW });
    await site.metactl(['start', 'shop']);
    const supervisor = await site.supervisor();
    const { outcome: restart } = await restarting('shop');
    process.kill(supervisor, 'SIGTERM');
    await gone(supervisor);
    expect(await restart).toMatchObject({ stdout: '', status: 1 });
  });

  it('ends the restart in the foreground, too', async () => {
    site.app('shop', { web: SLOW, db: `command = ${SLEEP}` });
    const running = startMetactl(['run', 'shop'], { root: site.root });
    try {
      await expect
        .poll(async () => (await site.status('shop')).map(({ state }) => state))
        .toEqual(['running', 'running']);
      const { outcome: restart } = await restarting('shop', 'web');
      await site.metactl(['stop', 'shop', 'web']);
      expect(await restart).toMatchObject({
        stderr: expect.stringContaining('shop/web was stopped while it was being restarted'),
        status: 1,
      });
    } finally {
      await running.stop();
    }
  });
});

describe('several at once', () => {
  /** Ready four seconds after its start. */
  const late = () => `command = ${site.notifier('shop', 'sleep 4 say READY=1 sleep 600')}\nready = notify`;
  const AGAIN = { stdout: 'shop/web is up again\n', stderr: '', status: 0 };
  const starting = () =>
    expect
      .poll(async () => (await site.status('shop', 'web'))[0], { interval: 20, timeout: 10_000 })
      .toMatchObject({ state: 'starting', pid: expect.any(Number) });

  it('restarts all succeed: each has it started again, and waits for the last', async () => {
    site.app('shop', { web: late() });
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    const restarts = [1, 2, 3].map(() => site.metactl(['restart', 'shop', 'web']));
    for (const outcome of await Promise.all(restarts)) expect(outcome).toMatchObject(AGAIN);
    expect((await site.status('shop', 'web'))[0]).toMatchObject({ state: 'ready' });
  });

  it('a restart while a start waits has the start succeed, too; so does another start', async () => {
    site.app('shop', { web: late() });
    const starts = [site.metactl(['start', 'shop'])];
    await starting();
    starts.push(site.metactl(['start', 'shop']));
    expect(await site.metactl(['restart', 'shop'])).toMatchObject(AGAIN);
    for (const outcome of await Promise.all(starts)) expect(outcome).toMatchObject({ stderr: '', status: 0 });
  });

  it('a stop while a start or restart waits for it to be ready is told by that', async () => {
    site.app('shop', { web: late() });
    const told = {
      stdout: '',
      stderr:
        'metactl: shop/web was stopped while it was being started\n' +
        '  hint: somebody said `metactl stop` meanwhile: nothing was started again\n',
      status: 1,
    };
    const start = site.metactl(['start', 'shop']);
    await starting();
    const restart = site.metactl(['restart', 'shop']);
    await sleep(1000);
    await starting();
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
    expect(await start).toMatchObject(told);
    expect(await restart).toMatchObject(told);
  });

  it('restarts in the foreground, too', async () => {
    site.app('shop', { web: late() });
    const running = startMetactl(['run', 'shop'], { root: site.root });
    try {
      await expect.poll(async () => (await site.status('shop'))[0]?.state, { timeout: 10_000 }).toBe('ready');
      const first = site.metactl(['restart', 'shop', 'web']);
      await starting();
      const second = site.metactl(['restart', 'shop', 'web']);
      for (const one of [first, second]) {
        expect(await one).toMatchObject({ stdout: expect.stringContaining('is up again'), stderr: '', status: 0 });
      }
    } finally {
      await running.stop();
    }
  });
});

it('a start while a stop waits for the end is the last word', async () => {
  site.app('shop', { web: `${SLOW}\ndepends-on.db = started`, db: `command = ${SLEEP}` });
  await site.metactl(['start', 'shop']);
  const stop = site.metactl(['stop', 'shop']);
  await expect.poll(async () => (await site.status('shop', 'web'))[0]?.state, { interval: 20 }).toBe('stopping');
  // `db` has not been told to stop yet, `web` has.
  expect(await site.metactl(['start', 'shop'])).toMatchObject({
    stdout: expect.stringContaining('shop/web is up again'),
    status: 0,
  });
  expect(await stop).toMatchObject({ stderr: expect.stringContaining('was started again while'), status: 1 });
  expect((await site.status('shop')).map(({ state }) => state)).toEqual(['running', 'running']);
});

it('a start of what waits for its next try takes the configuration as it is now', async () => {
  site.app('shop', { web: 'command = /bin/sh -c "sleep 0.2; exit 3"\nrestart-sec = 60s\nrestart-max-delay-sec = 60s' });
  await site.metactl(['start', 'shop']);
  await expect.poll(async () => (await site.status('shop'))[0]?.state).toBe('backoff');
  site.app('shop', { web: `command = ${SLEEP}` });
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ stdout: 'shop/web is up\n', status: 0 });
  expect(processesWith(SLEEP)).toHaveLength(1);
  expect((await site.status('shop'))[0]).toMatchObject({ state: 'running', changed: [] });
});

it('a log that can’t be opened is told to whoever starts, and keeps no descriptor', async () => {
  site.app('shop', { web: `command = ${SLEEP}` });
  const directory = join(site.root, 'var/log/metactl/shop');
  mkdirSync(directory, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', directory]);
  try {
    for (let n = 0; n < 3; n++) {
      const { stderr, status } = await site.metactl(['start', 'shop'], { timeout: 10_000 });
      expect([stderr, status]).toEqual([expect.stringContaining(`${directory}: EROFS`), 1]);
    }
    const open = `/proc/${await site.supervisor()}/fd`;
    expect(readdirSync(open).filter((fd) => linkOf(join(open, fd)) === directory)).toEqual([]);
  } finally {
    execFileSync('umount', [directory]);
  }
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
});

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
