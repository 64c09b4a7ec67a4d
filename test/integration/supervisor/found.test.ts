import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { startMetactl } from '../../helpers/run-metactl.ts';
import { gone, makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
let run: string;
let pid: number;
beforeEach(async () => {
  site = makeSite();
  run = join(site.root, 'run/metactl');
  // Without mounts in its directory, which `rm -rf` could not take away.
  site.app('shop', { web: `command = ${SLEEP}` }, '[sandbox]\nenabled = no\nallow-root = yes');
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  pid = await site.supervisor();
});
afterEach(() => site.remove());

const SLEEP = '/bin/sleep 98764';

const supervisors = () => processesWith(`--root ${site.root} supervise --`);

/** It is the only one, and is found by a `start` at once. */
async function stillThere(): Promise<void> {
  expect(await site.metactl(['start', 'shop'], { timeout: 8000 })).toMatchObject({
    stdout: 'shop/web was running\n',
    status: 0,
  });
  expect(await site.supervisor()).toBe(pid);
  expect(supervisors()).toEqual([pid]);
  expect(processesWith(SLEEP)).toHaveLength(1);
}

describe('a supervisor is found again', () => {
  it.each(['control.sock', 'control.lock'])('where %s was removed, as often as that happens', async (name) => {
    for (let times = 0; times < 3; times++) {
      rmSync(join(run, name));
      await stillThere();
    }
    expect(lstatSync(join(run, 'control.sock')).mode & 0o777).toBe(0o600);
    const log = readFileSync(join(site.root, 'var/log/metactl/supervisor.log'), 'utf8');
    expect(log.includes(`the socket in ${run} was removed: made it anew`)).toBe(name === 'control.sock');
  });

  it('where /run/metactl was removed, or is another directory', async () => {
    rmSync(run, { recursive: true });
    await stillThere();
    // Nor is what it runs taken for left behind.
    await expect.poll(() => existsSync(join(run, 'shop/web.json')), { timeout: 5000 }).toBe(true);
    expect(await site.metactl(['gc'])).toMatchObject({ stdout: 'nothing was left behind\n', status: 0 });
    expect(await site.metactl(['run', 'shop'], { timeout: 8000 })).toMatchObject({
      stderr: expect.stringContaining('shop/web is already running'),
    });
    await stillThere();
    renameSync(run, `${run}.away`);
    mkdirSync(run, { mode: 0o700 });
    await expect.poll(async () => (await site.metactl(['status'])).status, { timeout: 5000 }).toBe(0);
    await stillThere();
    rmSync(`${run}.away`, { recursive: true });
    // The lock, too, is the one that others find.
    expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    rmSync(join(run, 'control.sock'));
    await stillThere();
    expect(await site.metactl(['stop', 'all'])).toMatchObject({ status: 0 });
    expect(supervisors()).toEqual([]);
  });

  it('and is no second one where it can’t see to that itself', async () => {
    process.kill(pid, 'SIGSTOP');
    rmSync(run, { recursive: true });
    const starting = site.metactl(['start', 'shop'], { timeout: 25_000 });
    await sleep(3000);
    expect(supervisors()).toEqual([pid]);
    process.kill(pid, 'SIGCONT');
    expect(await starting).toMatchObject({ stdout: 'shop/web was running\n', status: 0 });
    await stillThere();
  });
});

it('one that does not answer is told with its pid, and what helps', async () => {
  process.kill(pid, 'SIGSTOP');
  try {
    for (const words of [['status'], ['start', 'shop']]) {
      expect(await site.metactl(words)).toMatchObject({
        stderr:
          `metactl: the supervisor has said nothing for 15 s\n  path: ${run}/control.sock\n` +
          `  hint: it (pid ${pid}) is stopped by a signal or a debugger: \`kill -CONT ${pid}\` lets it go on\n`,
        status: 1,
      });
    }
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});

describe('one that was killed', () => {
  it('is told by the next: in its log, in events, and by why', async () => {
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
    const log = readFileSync(join(site.root, 'var/log/metactl/supervisor.log'), 'utf8');
    const who = `the supervisor before this one \\(pid ${pid}, since \\S+Z\\) did not end by itself: it was killed or crashed`;
    expect(log).toMatch(new RegExp(`Z warning: ${who}; 1 daemon ended with it: shop/web\n`));
    const events = await site.metactl(['events', 'shop']);
    expect(events.stdout).toMatch(new RegExp(` shop/web warning: ended with its supervisor: ${who}\n`));
    expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    expect(await site.metactl(['why', 'shop'])).toMatchObject({
      stdout: expect.stringMatching(
        new RegExp(`\nwarning: shop/web ended with its supervisor\n  ${who}\n  do: find out what ended it: [^\n]*\n$`),
      ),
      status: 1,
    });
  });

  it('and not where it ended by itself, nor a second time', async () => {
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    await site.metactl(['start', 'shop']);
    await site.metactl(['stop', 'all']);
    await site.metactl(['start', 'shop']);
    const log = readFileSync(join(site.root, 'var/log/metactl/supervisor.log'), 'utf8');
    expect(log.match(/did not end by itself/g)).toHaveLength(2);
    expect(await site.metactl(['why', 'shop'])).toMatchObject({ status: 0 });
    expect((await site.metactl(['events', 'shop'])).stdout).not.toContain('did not end');
  });
});

describe('who follows the events', () => {
  it('is told that the supervisor was killed, and fails', async () => {
    const following = startMetactl(['events', '-f'], { root: site.root });
    await following.waitFor(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z shop\/web running/m);
    process.kill(pid, 'SIGKILL');
    expect(await following.ended).toMatchObject({
      stderr:
        'metactl: the supervisor went without a word: it was killed or crashed; what it ran ended with it\n' +
        `  path: ${run}/control.sock\n` +
        '  hint: `dmesg` and /var/log/metactl/supervisor.log may tell what ended it; `metactl start APP` starts another\n',
      status: 1,
    });
  });

  it('ends well where the supervisor does', async () => {
    const following = startMetactl(['events', '-f'], { root: site.root });
    await following.waitFor(/shop\/web running/);
    await site.metactl(['stop', 'all']);
    expect(await following.ended).toMatchObject({
      stdout: expect.stringMatching(/shop\/web stopped\n$/),
      stderr: '',
      status: 0,
    });
  });
});
