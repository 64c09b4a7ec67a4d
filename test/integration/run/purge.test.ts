import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mountsBelow } from '../../../src/host/linux/mounts-below.ts';
import { purge } from '../../../src/host/linux/purge.ts';
import { removeTree } from '../../../src/host/linux/remove-tree.ts';
import { pathsFor } from '../../../src/util/paths.ts';
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
  expect(existsSync(join(site.root, 'run/metactl/shop'))).toBe(false);
  const again = await site.metactl(['purge', 'shop', '--yes']);
  expect(again).toMatchObject({ status: 4, stdout: '' });
  expect(again.stderr).toContain('there is nothing of shop to be removed\n');
});

it('purge removes nothing while something is mounted below, of the same file system too', async () => {
  const precious = join(site.root, 'precious');
  const home = join(site.root, 'var/lib/metactl/apps/shop');
  for (const name of [precious, join(home, 'a b'), join(home, 'state')]) mkdirSync(name, { recursive: true });
  writeFileSync(join(precious, 'kept'), '');
  writeFileSync(join(home, 'state/kept'), '');
  const point = join(home, 'a b');
  expect(spawnSync('mount', ['--bind', precious, point]).status).toBe(0);
  try {
    expect(await site.metactl(['purge', 'shop', '--dry-run'])).toMatchObject({
      stdout: `would not remove files ${home}: mounted at ${point}\n`,
      status: 0,
    });
    // Told before anybody is asked.
    for (const answer of [['--yes'], []]) {
      const refused = await site.metactl(['purge', 'shop', ...answer]);
      expect(refused).toMatchObject({ status: 1, stdout: '' });
      expect(refused.stderr).toContain(`metactl: won't remove what is mounted at ${point}\n`);
    }
    // One that came while somebody was asked.
    await expect(purge(pathsFor(site.root), 'shop')).rejects.toMatchObject({ code: 'METACTL_MOUNTED' });
    expect([join(precious, 'kept'), join(home, 'state/kept')].map(existsSync)).toEqual([true, true]);
  } finally {
    spawnSync('umount', [point]);
  }
  // Another app's are not its business.
  const other = `${home}-2`;
  mkdirSync(other);
  expect(spawnSync('mount', ['--bind', precious, other]).status).toBe(0);
  try {
    expect(await site.metactl(['purge', 'shop', '--yes'])).toMatchObject({ status: 0 });
    expect([existsSync(home), existsSync(join(precious, 'kept'))]).toEqual([false, true]);
  } finally {
    spawnSync('umount', [other]);
  }
});

it.each(['shop', 'shop/up', 'shop/up/deep'])('what is mounted at %s after that look is not emptied either', (place) => {
  const home = join(site.root, 'apps');
  const [precious, point] = [join(site.root, 'precious'), join(home, place)];
  for (const directory of [precious, point]) mkdirSync(directory, { recursive: true });
  writeFileSync(join(precious, 'kept'), '');
  expect(spawnSync('mount', ['--bind', precious, point]).status).toBe(0);
  const parent = openSync(home, 'r');
  try {
    expect(() => removeTree(parent, 'shop')).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    expect(existsSync(join(precious, 'kept'))).toBe(true);
  } finally {
    closeSync(parent);
    // It may have come up beside what it was found in.
    for (const one of mountsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), home)) spawnSync('umount', [one]);
  }
});
