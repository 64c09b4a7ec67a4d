import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let calls: string;
let env: Record<string, string>;
beforeEach(() => {
  scratch = makeScratch();
  scratch.metactlConf('[node]\nservice-manager = systemd\n');
  scratch.node(
    'shop',
    `[app]\ndirectory = ${scratch.appDirectory('shop', {})}\n[daemon.web]\ncommand = /bin/sleep 98763\n`,
  );
  calls = join(scratch.root, 'calls');
  const bin = join(scratch.root, 'bin');
  mkdirSync(bin);
  // Stands for systemctl, and takes its time.
  writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho begin >>${calls}\nsleep 0.7\necho end >>${calls}\n`);
  chmodSync(join(bin, 'systemctl'), 0o755);
  env = { PATH: `${bin}:${process.env.PATH}` };
});
afterEach(async () => {
  await metactl('uninstall', 'shop', '--force');
  await metactl('gc');
  scratch.remove();
});

const metactl = (...args: string[]) => runMetactl(args, { root: scratch.root, env });
const lock = () => join(scratch.root, 'run/metactl/.metactl.shop.lock');

/** Whether calls of the service manager went on side by side. */
const overlaps = () => /begin\nbegin/.test(readFileSync(calls, 'utf8'));

/** Another process that has a lock's file. */
async function holding(file: string, seconds: number): Promise<ChildProcess> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const child = spawn('flock', ['-F', file, 'sh', '-c', `echo held; exec sleep ${seconds}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}

describe('of one app', () => {
  it('two installations go on one after the other, and the second one tells what it waits for', async () => {
    const first = startMetactl(['install', 'shop'], { root: scratch.root, env });
    await expect.poll(() => existsSync(calls), { timeout: 10_000 }).toBe(true);
    const second = await metactl('uninstall', 'shop');
    expect(await first.ended).toMatchObject({ status: 0 });
    expect(second.stderr).toMatch(
      new RegExp(
        `^metactl: waiting for pid ${first.child.pid} \\(.* install shop\\), which is at work on .* of shop\n$`,
      ),
    );
    expect(second).toMatchObject({ status: 0, stdout: expect.stringContaining('.shop.web.service\n') });
    expect(overlaps()).toBe(false);
    expect(existsSync(lock())).toBe(false);
  });

  it('it is not waited for ever, and what only looks does not wait', async () => {
    const other = await holding(lock(), 60);
    try {
      expect(await metactl('install', 'shop', '--dry-run')).toMatchObject({ status: 0, stderr: '' });
      const who = `pid ${other.pid} (sleep 60`;
      for (const verb of [
        ['install', 'shop'],
        ['purge', 'shop', '--yes'],
      ]) {
        expect(await metactl(...verb)).toMatchObject({
          status: 1,
          stderr:
            `metactl: waiting for ${who}), which is at work on the installation of shop\n` +
            `metactl: ${who}) is still at work on the installation of shop after 10 s: nothing was changed\n` +
            `  step: lock the installation\n  path: ${lock()}\n` +
            '  hint: run this again when it is done; a `purge` may be waiting for its answer on another terminal\n',
        });
      }
      expect(existsSync(calls)).toBe(false);
      // Nobody else's app waits for it.
      expect((await metactl('install', '--node')).status).toBe(0);
      expect((await metactl('uninstall', '--node')).status).toBe(0);
    } finally {
      other.kill();
      await once(other, 'close');
    }
    // The file of who was killed is in nobody's way.
    expect(await metactl('install', 'shop')).toMatchObject({ status: 0, stderr: '' });
  });

  it('a lock that is a link, or another user’s, is not taken', async () => {
    mkdirSync(dirname(lock()), { recursive: true, mode: 0o700 });
    const target = join(scratch.root, 'target');
    symlinkSync(target, lock());
    const refused = (why: string) => ({
      status: 1,
      stderr: expect.stringContaining(`metactl: ${lock()} is no lock of metactl's: ${why}\n`),
    });
    expect(await metactl('install', 'shop')).toMatchObject(refused('it is a link'));
    expect(existsSync(target)).toBe(false);
    rmSync(lock());
    writeFileSync(lock(), '');
    chownSync(lock(), 65534, 65534);
    expect(await metactl('install', 'shop')).toMatchObject(refused('it belongs to user 65534'));
    rmSync(lock());
  });

  it('an export is kept apart from others to the same directory', async () => {
    const to = join(scratch.root, 'export');
    const args = ['install', 'shop', '--export', 'upstart', '--to', to];
    const other = await holding(join(to, '.metactl.shop.lock'), 2);
    const begun = performance.now();
    expect(await metactl(...args)).toMatchObject({ status: 0, stderr: expect.stringContaining('waiting for pid') });
    expect(performance.now() - begun).toBeGreaterThan(1000);
    other.kill();
    expect(readdirSync(to)).toEqual([expect.stringMatching(/\.shop\.web\.conf$/)]);
  });
});
