import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, type Site } from '../supervisor/site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const lease = (app: string) =>
  JSON.parse(readFileSync(join(site.root, 'var/lib/metactl/leases.json'), 'utf8')).apps[app];

it('purge lists, asks, and removes all of an app but its configuration; not while it runs', async () => {
  const web = 'command = /bin/sh -c "mkdir $STATE_DIRECTORY/kept; echo hello; exec sleep 98765"\nlog.to = file';
  for (const app of ['shop', 'other']) {
    site.app(app, { web });
    expect(await site.metactl(['start', app])).toMatchObject({ status: 0 });
  }
  const running = await site.metactl(['purge', 'shop', '--yes']);
  expect(running).toMatchObject({ status: 1, stdout: '' });
  expect(running.stderr).toBe(
    'metactl: shop is running: web\n  step: purge the app\n  hint: stop it first: metactl stop shop\n',
  );
  expect(await site.metactl(['stop', 'all'])).toMatchObject({ status: 0 });

  const state = join(site.root, 'var/lib/metactl/apps/shop');
  const logs = join(site.root, 'var/log/metactl/shop');
  const { uid } = lease('shop');
  const items = [`files ${state}`, `logs ${logs}`, `lease uid ${uid}`];
  expect(await site.metactl(['purge', 'shop', '--dry-run'])).toMatchObject({
    stdout: items.map((item) => `would remove ${item}\n`).join(''),
    status: 0,
  });
  const unasked = await site.metactl(['purge', 'shop']);
  expect(unasked).toMatchObject({ status: 2, stdout: '' });
  expect(unasked.stderr).toContain('there is nobody to be asked: standard input is no terminal\n');
  expect(statSync(join(state, 'state/kept')).uid).toBe(uid);

  const configuration = join(site.root, 'etc/metactl/nodes/shop.conf');
  expect(await site.metactl(['purge', 'shop', '--yes'])).toMatchObject({
    stdout: `${items.map((item) => `removed ${item}\n`).join('')}its configuration stays: ${configuration}\n`,
    status: 0,
  });
  expect([state, logs, configuration].map(existsSync)).toEqual([false, false, true]);
  expect([lease('shop'), lease('other')]).toEqual([undefined, expect.objectContaining({ uid: expect.any(Number) })]);
  expect(existsSync(join(site.root, 'var/lib/metactl/apps/other/state'))).toBe(true);
  const again = await site.metactl(['purge', 'shop', '--yes']);
  expect(again).toMatchObject({ status: 4, stdout: '' });
  expect(again.stderr).toContain('there is nothing of shop to be removed\n');
});
