import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, type Site } from './site.ts';

/** Daemons that say what they do (sd_notify), and then do not do it. */

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const web = async () => (await site.status('shop'))[0];

it('one that says it stops and does not is killed, and started again by its policy; also by the next process', async () => {
  const words = 'say READY=1 sleep 1 say STOPPING=1 sleep 600';
  site.app('shop', { web: `command = ${site.notifier('shop', words)}\nready = notify\ntimeout-stop-sec = 4s` });
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  await expect.poll(web, { timeout: 10_000 }).toMatchObject({ state: 'stopping', reason: null });
  const { since } = (await web())!;
  expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
  await expect.poll(web, { timeout: 10_000 }).toMatchObject({
    starts: { manual: 1, automatic: 1 },
    lastExit: {
      failed: true,
      cause: expect.stringMatching(/\(said that it stops, and did not end within timeout-stop-sec\)$/),
    },
  });
  const took = Date.parse((await web())!.lastExit!.at) - Date.parse(since!);
  expect(took).toBeGreaterThanOrEqual(3900);
  expect(took).toBeLessThan(6000);
  expect(await site.metactl(['stop', 'shop', '--kill'])).toMatchObject({ status: 0 });
});

it('one that does not say that its reload ended is not well until it does, and runs on', async () => {
  const words = 'say READY=1 sleep 0.3 say RELOADING=1 sleep 12 say READY=1 sleep 600';
  site.app('shop', { web: `command = ${site.notifier('shop', words)}\nready = notify\nready.timeout = 2s` });
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  const reason = 'did not say that its reload ended within 2s';
  await expect.poll(web, { timeout: 10_000 }).toMatchObject({ state: 'degraded', reason, ready: true, restarts: 0 });
  const { stdout } = await site.metactl(['why', 'shop']);
  expect(stdout).toContain(`warning: shop/web is not well: ${reason}\n`);
  await expect.poll(web, { timeout: 15_000 }).toMatchObject({ state: 'ready', reason: null, restarts: 0 });
});
