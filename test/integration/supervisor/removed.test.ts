import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = 'command = /bin/sleep 98764';

async function shown(...args: string[]): Promise<unknown[]> {
  return (await site.status(...args)).map(({ daemon, state, configured, changed }) => [
    daemon,
    state,
    configured,
    changed,
  ]);
}

it('a daemon that was taken out of the configuration is shown as such while it runs, and no longer', async () => {
  site.app('shop', { web: SLEEP, job: SLEEP });
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  expect(await shown('shop')).toEqual([
    ['web', 'running', true, []],
    ['job', 'running', true, []],
  ]);
  // One goes, another one comes.
  site.app('shop', { web: SLEEP, db: SLEEP });
  const now = [
    ['web', 'running', true, []],
    ['job', 'running', false, []],
    ['db', 'stopped', true, []],
  ];
  expect(await shown('shop')).toEqual(now);
  await site.metactl(['reload', 'shop']);
  expect(await shown('shop')).toEqual(now);
  expect(await shown('shop', 'job')).toEqual([now[1]]);
  const { stdout } = await site.metactl(['status', 'shop']);
  expect(stdout).toMatch(/^shop\/job +running\* /m);
  expect(stdout).toContain('  not in the configuration any more: metactl stop shop job ends it\n');
  const why = await site.metactl(['why', 'shop']);
  expect(why.stdout).toContain(
    'warning: shop/job runs, but is not in the configuration any more\n  there is no [daemon.job]\n' +
      '  do: `metactl stop shop job` ends it; if it is to stay, put [daemon.job] back\n',
  );
  // What is wrong just now says nothing about what is configured.
  site.app('shop', { web: 'commandd = x' });
  expect(await shown('shop')).toEqual(now);
  site.app('shop', { web: SLEEP, db: SLEEP });
  expect(await site.metactl(['reexec'])).toMatchObject({ status: 0, stderr: '' });
  expect(await shown('shop')).toEqual(now);
  expect(await site.metactl(['stop', 'shop', 'job'])).toMatchObject({ status: 0 });
  expect(await shown('shop')).toEqual([now[0], now[2]]);
  const gone = await site.metactl(['status', 'shop', 'job']);
  expect([gone.status, gone.stdout]).toEqual([2, '']);
  expect(gone.stderr).toContain('shop has no daemon `job`');
});

it('a restart of the app ends it, too', async () => {
  site.app('shop', { web: SLEEP, job: SLEEP });
  await site.metactl(['start', 'shop']);
  site.app('shop', { web: SLEEP });
  expect(await site.metactl(['restart', 'shop'])).toMatchObject({ status: 0 });
  expect(await shown('shop')).toEqual([['web', 'running', true, []]]);
});

it('so does an app that was removed as a whole', async () => {
  site.app('shop', { web: SLEEP });
  site.app('other', { web: SLEEP });
  await site.metactl(['start', 'shop']);
  await site.metactl(['start', 'other']);
  rmSync(join(site.root, 'etc/metactl/nodes/shop.conf'));
  rmSync(join(site.root, 'var/lib/metactl/apps/shop'), { recursive: true, force: true });
  expect(await shown('shop')).toEqual([['web', 'running', false, []]]);
  expect(await site.metactl(['stop', 'shop'])).toMatchObject({ status: 0 });
  expect((await site.status()).map(({ app }) => app)).toEqual(['other']);
  expect(await site.metactl(['status', 'shop'])).toMatchObject({ status: 4 });
});
