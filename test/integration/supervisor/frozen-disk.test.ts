import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { gone, isRunning, makeSite, type Site } from './site.ts';

leakCheck();

let site: Site;
let disk: string;
/** Thaws the disk, should this process not live to do it: nothing that hangs in it could be ended. */
let rescue: ChildProcess | undefined;
beforeEach(() => {
  site = makeSite();
  disk = join(site.root, 'var/log/metactl');
  mkdirSync(disk, { recursive: true });
  const image = join(site.root, 'disk');
  writeFileSync(image, '');
  truncateSync(image, 64 << 20);
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
});
afterEach(async () => {
  try {
    thaw();
    await site.metactl(['stop', 'all']);
  } finally {
    execFileSync('umount', ['--lazy', disk]);
    await site.remove();
  }
});

function freeze(): void {
  rescue = spawn('sh', ['-c', 'sleep 120; exec fsfreeze -u "$1"', 'sh', disk], { stdio: 'ignore', detached: true });
  execFileSync('fsfreeze', ['-f', disk]);
}

function thaw(): void {
  if (rescue === undefined) return;
  process.kill(-rescue.pid!, 'SIGKILL');
  rescue = undefined;
  execFileSync('fsfreeze', ['-u', disk]);
}

const WRITER = '#!/bin/sh\ni=0; while :; do i=$((i + 1)); echo "$$ line $i"; sleep 0.02; done\n';
/** Of 20 s that a test has for all, a step has so much, in ms. */
const STEP = 8000;

async function bounded<T>(what: string, work: Promise<T>): Promise<T> {
  const late = sleep(STEP, undefined, { ref: false }).then(() => {
    throw new Error(`${what} takes more than ${STEP} ms`);
  });
  return Promise.race([work, late]);
}

const one = async (daemon: string) => (await bounded('status', site.status('shop', daemon)))[0]!;

it('stops nothing but logs: daemons come back, verbs are answered, and no line is lost', async () => {
  const directory = site.scratch.appDirectory('shop', {});
  site.app('shop', {
    web: `command = ${directory}/write.sh\nlog.to = file`,
    quiet: 'command = sleep 600\nlog.to = file',
    other: 'command = sleep 600\nlog.to = file',
  });
  writeFileSync(join(directory, 'write.sh'), WRITER, { mode: 0o755 });
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  const before = await one('web');
  const supervisor = await site.supervisor();
  freeze();
  try {
    await sleep(300);
    for (let kills = 0; kills < 3; kills++) {
      const { pid } = await one('web');
      process.kill(pid!, 'SIGKILL');
      await expect.poll(async () => (await one('web')).pid, { timeout: STEP }).not.toBe(pid);
      await expect.poll(async () => (await one('web')).state, { timeout: STEP }).toBe('running');
    }
    expect((await one('web')).pid).not.toBe(before.pid);
    expect(await bounded('stop', site.metactl(['stop', 'shop', 'quiet']))).toMatchObject({ status: 0 });
    expect((await bounded('why', site.metactl(['why', 'shop']))).stdout).toContain('quiet');
    // One whose log must be opened waits for it, and says so; nobody else does, and it can be stopped.
    const waiting = site.metactl(['restart', 'shop', 'other']);
    await expect
      .poll(async () => (await one('other')).statusText, { timeout: 12_000 })
      .toBe(`waits for its log: ${disk} does not answer`);
    expect(await bounded('stop', site.metactl(['stop', 'shop', 'other']))).toMatchObject({ status: 0 });
    expect((await waiting).status).not.toBe(0);
    const moved = await site.metactl(['reexec']);
    expect(moved.status).toBe(1);
    expect(moved.stderr).toContain("can't be replaced now");
    expect(await site.supervisor()).toBe(supervisor);
  } finally {
    thaw();
  }
  expect(await site.metactl(['start', 'shop', 'quiet'])).toMatchObject({ status: 0 });
  const { pid } = await one('web');
  await expect.poll(() => readFileSync(join(disk, 'supervisor.log'), 'utf8')).toMatch(/quiet: .*"stopped"/);
  expect(await site.metactl(['stop', 'shop'])).toMatchObject({ status: 0 });
  expect(isRunning(pid!)).toBe(false);
  const { stdout } = await site.metactl(['logs', 'shop', 'web', '-n', '100000']);
  const numbers = new Map<string, number[]>();
  for (const [, writer, number] of stdout.matchAll(/(\d+) line (\d+)$/gm)) {
    numbers.set(writer!, [...(numbers.get(writer!) ?? []), Number(number)]);
  }
  const all = [...numbers.values()].flat();
  expect(all.filter((number) => number === 1).length).toBe(4);
  for (let at = 1; at < all.length; at++) expect(all[at] === 1 || all[at] === all[at - 1]! + 1).toBe(true);
}, 90_000);

it('does not keep the end of the supervisor: what is left of it has neither lock nor socket', async () => {
  site.app('shop', { web: 'command = sh -c "while :; do echo x; sleep 0.01; done"\nlog.to = file' });
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  const supervisor = await site.supervisor();
  const { pid } = await one('web');
  freeze();
  try {
    await sleep(300);
    const stopped = site.metactl(['stop', 'all']);
    expect(await Promise.race([stopped, sleep(20_000)])).toMatchObject({ status: 0 });
    expect(isRunning(pid!)).toBe(false);
    // The next one starts beside it, as far as its own log lets it.
    rmSync(join(site.root, 'run/metactl/control.sock'), { force: true });
    expect(await bounded('status', site.metactl(['status', 'shop']))).toMatchObject({ status: 3 });
  } finally {
    thaw();
  }
  await gone(supervisor);
}, 60_000);
