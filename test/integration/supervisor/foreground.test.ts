import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { startMetactl } from '../../helpers/run-metactl.ts';
import { makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = '/bin/sleep 98766';

it('what runs in the foreground is seen, and can be stopped', async () => {
  site.app('shop', { web: `command = ${SLEEP}`, db: `command = ${SLEEP}` });
  const running = startMetactl(['run', 'shop'], { root: site.root });
  try {
    await expect
      .poll(async () => (await site.status('shop')).map(({ state }) => state))
      .toEqual(['running', 'running']);
    const records = await site.status();
    expect(records.map(({ daemon, supervisor }) => [daemon, supervisor])).toEqual([
      ['db', { pid: running.child.pid, kind: 'run' }],
      ['web', { pid: running.child.pid, kind: 'run' }],
    ]);
    expect((await site.metactl(['events', '--json', 'shop', 'web'])).stdout).toMatch(/"event":"running"/);
    site.app('shop', { web: 'command = /bin/sleep 1', db: `command = ${SLEEP}` });
    expect((await site.status('shop', 'web'))[0]?.changed).toEqual(['[daemon.web] command']);
    expect((await site.metactl(['why', 'shop'])).stdout).toContain('has been changed since it was started');
    const before = (await site.status('shop', 'web'))[0]?.pid;
    expect(await site.metactl(['restart', 'shop', 'web'])).toMatchObject({
      stdout: 'shop/web is up again, with the configuration that it was run with\n',
      status: 0,
    });
    expect((await site.status('shop', 'web'))[0]?.pid).not.toBe(before);
    expect(processesWith(SLEEP)).toHaveLength(2);
    expect(await site.metactl(['stop', 'shop'])).toMatchObject({
      stdout: 'shop/db is stopped\nshop/web is stopped\n',
      status: 0,
    });
    expect((await running.ended).status).toBe(143);
    expect(existsSync(join(site.root, 'run/metactl/shop'))).toBe(false);
  } finally {
    await running.stop();
  }
});

it('a foreground supervisor that was killed is not running, and its socket goes with the next run', async () => {
  site.app('shop', { web: `command = ${SLEEP}` });
  const killed = startMetactl(['run', 'shop'], { root: site.root });
  await expect.poll(async () => (await site.status('shop'))[0]?.state).toBe('running');
  await killed.stop('SIGKILL');
  expect(await site.metactl(['status', 'shop'])).toMatchObject({ status: 3 });
  expect(await site.metactl(['stop', 'shop'])).toMatchObject({ status: 3 });
  const next = startMetactl(['run', 'shop'], { root: site.root });
  try {
    await expect.poll(async () => (await site.status('shop'))[0]?.state).toBe('running');
  } finally {
    await next.stop();
  }
  expect(readdirSync(join(site.root, 'run/metactl'))).toEqual([]);
});

it('depends-on orders what is started, stopped and restarted in the background', async () => {
  site.app('shop', { web: `command = ${SLEEP}\ndepends-on.db = started`, db: `command = ${SLEEP}` });
  expect(await site.metactl(['start', 'shop', 'web'])).toMatchObject({
    stdout: 'shop/web is up\nshop/db is up\n',
    status: 0,
  });
  const order = async (event: string) =>
    (await site.metactl(['events', '--json', 'shop'])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter((record) => record.event === event)
      .map(({ daemon }) => daemon);
  expect(await order('running')).toEqual(['db', 'web']);
  expect(await site.metactl(['restart', 'shop', 'db'])).toMatchObject({ status: 0 });
  expect(await order('stopped')).toEqual(['web', 'db']);
  expect(await order('running')).toEqual(['db', 'web', 'db', 'web']);
  expect(await site.metactl(['stop', 'shop', 'db'])).toMatchObject({
    stdout: 'shop/db is stopped\nshop/web is stopped\n',
    status: 0,
  });
  expect(processesWith(SLEEP)).toEqual([]);
});
