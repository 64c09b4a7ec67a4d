import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { startMetactl } from '../../helpers/run-metactl.ts';
import { makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = '/bin/sleep 98763';
/** It takes no notice of what asks it to end, and has a day. */
const STUBBORN = `command = ${SLEEP}\nkill-signal = SIGWINCH\ntimeout-stop-sec = 1d`;

describe('stop --kill', () => {
  it('ends what is being stopped and does not end, and the stop that waits for it returns', async () => {
    site.app('shop', { web: STUBBORN, db: `command = ${SLEEP}` });
    await site.metactl(['start', 'shop']);
    const waiting = startMetactl(['stop', 'shop'], { root: site.root });
    await expect.poll(async () => (await site.status('shop')).map(({ state }) => state)).toContain('stopping');
    const outcome = await site.metactl(['stop', 'shop', 'web', '--kill']);
    expect(outcome).toMatchObject({ stdout: 'shop/web is stopped\n', stderr: '', status: 0 });
    expect((await waiting.ended).status).toBe(0);
    expect(processesWith(SLEEP)).toEqual([]);
  });

  it('ends what `run` has in the foreground', async () => {
    site.app('shop', { web: STUBBORN });
    const running = startMetactl(['run', 'shop'], { root: site.root });
    await expect.poll(() => processesWith(SLEEP).length).toBe(1);
    expect(await site.metactl(['stop', 'shop', '--kill'])).toMatchObject({
      stdout: 'shop/web is stopped\n',
      status: 0,
    });
    await running.ended;
    expect(processesWith(SLEEP)).toEqual([]);
  });

  const THREE = {
    db: STUBBORN,
    web: `${STUBBORN}\ndepends-on.db = started`,
    other: `command = ${SLEEP}`,
  };
  const states = async () => (await site.status('shop')).map(({ daemon, state }) => `${daemon} ${state}`).sort();

  it('of one daemon takes along what depends on it, and nothing else', async () => {
    site.app('shop', THREE);
    await site.metactl(['start', 'shop']);
    const outcome = await site.metactl(['stop', 'shop', 'db', '--kill']);
    expect(outcome).toMatchObject({ stdout: 'shop/web is stopped\nshop/db is stopped\n', stderr: '', status: 0 });
    expect(await states()).toEqual(['db stopped', 'other running', 'web stopped']);
    expect(processesWith(SLEEP)).toHaveLength(1);
  });

  it('does so in the foreground, too', async () => {
    site.app('shop', THREE);
    const running = startMetactl(['run', 'shop'], { root: site.root });
    try {
      await expect.poll(states, { timeout: 10_000 }).toEqual(['db running', 'other running', 'web running']);
      expect(await site.metactl(['stop', 'shop', 'db', '--kill'])).toMatchObject({
        stdout: 'shop/db is stopped\n',
        status: 0,
      });
      await expect.poll(states, { timeout: 10_000 }).toEqual(['db stopped', 'other running', 'web stopped']);
      expect(processesWith(SLEEP)).toHaveLength(1);
    } finally {
      await site.metactl(['stop', 'shop', '--kill']);
      await running.ended;
    }
  });

  it('of all apps ends the supervisor, too', async () => {
    site.app('shop', { web: STUBBORN });
    site.app('back', { web: STUBBORN });
    await site.metactl(['start', 'all']);
    expect(await site.metactl(['stop', 'all', '--kill'])).toMatchObject({ stderr: '', status: 0 });
    expect(processesWith(SLEEP)).toEqual([]);
  });
});
