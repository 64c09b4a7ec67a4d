import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { gone, install, makeSite, processesWith, runInstalled, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

/** What a daemon of the test leaves in the list of processes, whatever state it is in. */
const MARK = 'sleep 98764';

/** Within 1 s nothing of it may run. */
async function allGone(): Promise<void> {
  for (const end = performance.now() + 1000; processesWith(MARK).length > 0; await sleep(10)) {
    if (performance.now() > end) throw new Error(`after 1 s there is still ${processesWith(MARK).join(' ')}`);
  }
}

/** What each state is made by, and how to get there. */
const STATES: Readonly<Record<string, { readonly daemon: string; readonly stop?: true }>> = {
  running: { daemon: `command = /bin/${MARK}` },
  starting: { daemon: `command = /bin/${MARK}\nready = tcp:9` },
  ready: { daemon: `command = /bin/${MARK}\nready = exec:/bin/true` },
  degraded: {
    daemon: `command = /bin/${MARK}\nhealth = exec:/bin/false\nhealth.action = alert\nhealth.interval = 100ms`,
  },
  reloading: { daemon: `command = NOTIFIER say READY=1 say RELOADING=1 ${MARK}\nready = notify` },
  maintenance: { daemon: `command = /bin/sh -c "${MARK} & exit 1"\nrestart-prevent-exit-status = 1` },
  backoff: { daemon: `command = /bin/sh -c "${MARK} & exit 1"\nrestart-sec = 20s` },
  failed: { daemon: `command = /bin/sh -c "${MARK} & exit 1"\nrestart = no` },
  stopping: { daemon: `command = /bin/sh -c "trap : TERM; ${MARK} & while :; do wait; done"`, stop: true },
};

describe('a supervisor that is killed', () => {
  it.each(Object.entries(STATES))(
    'in state %s: nothing of it runs 1 s later; the next start brings one',
    async (state, how) => {
      const daemon = how.daemon.replace('NOTIFIER', site.notifier('shop', '').trim());
      site.app('shop', { web: daemon, other: `command = /bin/${MARK}` });
      expect(await site.metactl(['start', 'shop', '--no-wait'])).toMatchObject({ status: 0 });
      const pid = await site.supervisor();
      await expect.poll(() => processesWith(MARK).length, { timeout: 10_000 }).toBeGreaterThan(0);
      // The trap is set by then.
      if (how.stop) await sleep(300);
      if (how.stop) await site.metactl(['stop', 'shop', 'web', '--no-wait']);
      await expect.poll(async () => (await site.status('shop', 'web'))[0]?.state, { timeout: 10_000 }).toBe(state);
      process.kill(pid, 'SIGKILL');
      await gone(pid, 1000);
      await allGone();
      expect(await site.metactl(['status', 'shop'])).toMatchObject({ status: 3 });
      site.app('shop', { web: `command = /bin/${MARK}`, other: `command = /bin/${MARK}` });
      expect(await site.metactl(['start', 'shop'])).toMatchObject({
        stdout: 'shop/web is up\nshop/other is up\n',
        status: 0,
      });
      expect(processesWith(`/bin/${MARK}`)).toHaveLength(2);
      expect(await site.supervisor()).not.toBe(pid);
    },
  );

  it('while it is being replaced: the same', async () => {
    for (const after of [50, 150, 200, 250, 300, 400]) {
      site.app('shop', { web: `command = /bin/${MARK}`, other: `command = /bin/${MARK}` });
      expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
      const pid = await site.supervisor();
      const replacing = site.metactl(['reexec']);
      await sleep(after);
      process.kill(pid, 'SIGKILL');
      await gone(pid, 1000);
      await allGone();
      await replacing;
      expect(await site.metactl(['status', 'shop'])).toMatchObject({ status: 3 });
      expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
      expect(processesWith(`/bin/${MARK}`)).toHaveLength(2);
      await site.metactl(['stop', 'all']);
    }
  });

  it('while it starts daemons: the same', async () => {
    const daemons = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`d${n}`, `command = /bin/${MARK}`]));
    site.app('first', { web: `command = /bin/${MARK}` });
    await site.metactl(['start', 'first']);
    const pid = await site.supervisor();
    site.app('shop', daemons);
    const starting = site.metactl(['start', 'shop']);
    await expect
      .poll(() => existsSync(join(site.root, 'run/metactl/shop')), { interval: 2, timeout: 10_000 })
      .toBe(true);
    process.kill(pid, 'SIGKILL');
    await gone(pid, 1000);
    await allGone();
    expect([0, 1]).toContain((await starting).status);
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    expect(processesWith(`/bin/${MARK}`)).toHaveLength(8);
  });

  it('leaves no notify socket of a daemon without a sandbox that gc does not find', async () => {
    const command = site.notifier('plain', `say READY=1 ${MARK}`);
    const [directory] = [site.scratch.appDirectory('plain', {})];
    const sections = `[sandbox]\nenabled = no\nallow-root = yes\n[daemon.web]\ncommand = ${command}\nready = notify\n`;
    site.scratch.node('plain', `[app]\ndirectory = ${directory}\n${sections}`);
    expect(await site.metactl(['start', 'plain'])).toMatchObject({ status: 0 });
    const notify = join(site.root, 'run/metactl-notify');
    expect(readdirSync(notify)).toEqual(['plain.web']);
    expect((await site.metactl(['gc'])).stdout).toBe('nothing was left behind\n');
    const pid = await site.supervisor();
    process.kill(pid, 'SIGKILL');
    await gone(pid, 1000);
    await allGone();
    expect((await site.metactl(['gc', '--dry-run'])).stdout).toContain(
      `would remove file ${notify}/plain.web of plain\n`,
    );
    expect((await site.metactl(['gc'])).stdout).toContain(`removed file ${notify}/plain.web of plain\n`);
    expect(existsSync(notify)).toBe(false);
  });

  it('leaves nothing that gc does not find', async () => {
    site.app('shop', { web: `command = /bin/${MARK}` });
    await site.metactl(['start', 'shop']);
    const pid = await site.supervisor();
    process.kill(pid, 'SIGKILL');
    await gone(pid, 1000);
    await allGone();
    await site.metactl(['gc']);
    expect(readdirSync(join(site.root, 'run/metactl')).sort()).toEqual(['control.lock', 'control.sock']);
  });
});

it('SIGTERM stops all apps and ends the supervisor', async () => {
  site.app('shop', { web: `command = /bin/${MARK}` });
  site.app('bank', { web: `command = /bin/${MARK}` });
  await site.metactl(['start', 'all']);
  expect(processesWith(MARK)).toHaveLength(2);
  const pid = await site.supervisor();
  process.kill(pid, 'SIGTERM');
  await gone(pid, 5000);
  expect(processesWith(MARK)).toEqual([]);
  expect(readdirSync(join(site.root, 'run/metactl'))).toEqual(['control.lock']);
});

it('goes on when what it was installed from is removed', async () => {
  const program = install(site, 'installed');
  site.app('shop', { web: `command = /bin/${MARK}`, later: 'command = /bin/sleep 98765' });
  expect((await runInstalled(site, program, 'start', 'shop', 'web'))[0]).toBe(0);
  rmSync(join(site.root, 'installed'), { recursive: true });
  const [pid] = processesWith(`/bin/${MARK}`);
  process.kill(pid!, 'SIGKILL');
  await expect
    .poll(async () => (await site.status('shop', 'web'))[0], { timeout: 10_000 })
    .toMatchObject({ state: 'running', restarts: 1 });
  // The rest of its life, too: another daemon, another network, another end.
  site.scratch.node(
    'net',
    `[app]\ndirectory = ${join(site.root, 'apps/shop')}\n[daemon.web]\ncommand = /bin/${MARK}\n`,
  );
  expect(await site.metactl(['start', 'shop', 'later'])).toMatchObject({ status: 0 });
  expect(await site.metactl(['start', 'net'])).toMatchObject({ status: 0, stderr: '' });
  expect(await site.metactl(['restart', 'shop'])).toMatchObject({ status: 0 });
  expect(await site.metactl(['why', 'shop'])).toMatchObject({
    stdout: expect.stringContaining('nothing is wrong with shop'),
    status: 0,
  });
  expect(await site.metactl(['stop', 'all'])).toMatchObject({ status: 0 });
  expect(processesWith(MARK)).toEqual([]);
});
