import { readFileSync } from 'node:fs';
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

describe('what has left the cgroup of a daemon without a sandbox', () => {
  const ESCAPED = 'sleep 98762';
  const LEAVE =
    'for all in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do [ -e $all ] && echo $$ > $all; done';

  /** A child of metactl-init in no cgroup of metactl's; the daemon ends by SIGTERM, or by nothing but SIGKILL. */
  async function startAndLeave(obeys: boolean): Promise<void> {
    const directory = site.scratch.appDirectory('shop', {
      'leave.sh': `#!/bin/sh\n{ ${LEAVE}; } 2>/dev/null\nexec ${ESCAPED}\n`,
      'web.sh': `#!/bin/sh\n${obeys ? '' : "trap '' TERM\n"}(setsid ./leave.sh &)\nwhile :; do sleep 0.1; done\n`,
    });
    const keys = 'user = root\ncommand = ./web.sh\ntimeout-stop-sec = 300ms';
    const sandbox = '[sandbox]\nenabled = no\nallow-root = yes';
    site.scratch.node('shop', `[app]\ndirectory = ${directory}\n${sandbox}\n[daemon.web]\n${keys}\n`);
    await site.metactl(['start', 'shop']);
    await expect.poll(() => processesWith(ESCAPED)).toHaveLength(1);
    const [pid] = processesWith(ESCAPED);
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).not.toContain('metactl');
  }

  afterEach(() => {
    for (const pid of processesWith(ESCAPED)) process.kill(pid, 'SIGKILL');
  });

  it.each([
    ['a stop', ['stop', 'shop'], true],
    ['a stop that has to kill', ['stop', 'shop'], false],
    ['stop --kill', ['stop', 'shop', '--kill'], false],
  ] as const)('ends with it, by %s', async (_, verb, obeys) => {
    await startAndLeave(obeys);
    expect(await site.metactl(verb)).toMatchObject({ stdout: 'shop/web is stopped\n', stderr: '', status: 0 });
    expect(processesWith(ESCAPED)).toEqual([]);
  });
});
