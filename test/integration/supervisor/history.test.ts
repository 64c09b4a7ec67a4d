import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, type Site } from './site.ts';

/** What a supervisor knows of a daemon that was stopped, and started again. */

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

it('a stop and a start forget neither the starts nor the last exit; nor does a reexec', async () => {
  const good = join(site.scratch.appDirectory('shop', {}), 'good');
  site.app('shop', { web: `command = /bin/sh -c "test -e ${good} && exec /bin/sleep 600; exit 3"\nrestart-sec = 60s` });
  const web = async () => (await site.status('shop'))[0]!;
  await site.metactl(['start', 'shop', '--no-wait']);
  await expect.poll(async () => (await web()).state, { timeout: 10_000 }).toBe('backoff');
  expect(await site.metactl(['stop', 'shop'])).toMatchObject({ status: 0 });
  const stopped = await web();
  expect(stopped).toMatchObject({
    state: 'stopped',
    done: false,
    lastExit: { failed: true, cause: 'ended with status 3' },
  });
  writeFileSync(good, '');
  expect(await site.metactl(['start', 'shop', 'web'])).toMatchObject({ status: 0 });
  const { lastExit, starts } = stopped;
  const known = { state: 'running', restarts: 0, lastExit, starts: { ...starts, manual: 2 } };
  expect(await web()).toMatchObject(known);
  expect((await site.metactl(['status', 'shop'])).stdout).toContain('\n  last exit: ended with status 3, after ');
  expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
  expect(await web()).toMatchObject(known);
  expect(await site.metactl(['restart', 'shop'])).toMatchObject({ status: 0 });
  const after = await web();
  expect(after).toMatchObject({ state: 'running', starts: { ...starts, manual: 3 }, lastExit: { failed: false } });
  expect((await site.metactl(['status', 'shop'])).stdout).not.toContain('last exit');
});
