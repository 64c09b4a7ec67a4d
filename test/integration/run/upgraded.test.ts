import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { install, makeSite, type Site } from '../supervisor/site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

it('what killed a daemon is told by a run whose installation has been taken away, and the others live on', async () => {
  const source = join(REPOSITORY, 'test/fixtures/seccomp/calls.c');
  const directory = site.scratch.appDirectory('shop', {});
  execFileSync('gcc', ['-O2', '-D_GNU_SOURCE', '-o', join(directory, 'calls'), source]);
  // Where no other convention can be called by (as that of i386 on some machines), it ends of the same signal without the filter.
  const end = process.arch === 'x64' ? 'exec ./calls x32' : 'kill -SYS $$';
  site.app('shop', {
    main: `restart = no\ncommand = sh -c 'until test -e go; do sleep 0.1; done; ${end}'`,
    other: 'command = /bin/sleep 98768',
  });
  // Brings the bundle up to date, which is copied.
  await site.metactl(['status']);
  const program = install(site, 'installed');
  const run = spawn(process.execPath, [program, '--root', site.root, 'run', 'shop'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  run.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(run, 'close');
  try {
    const states = async () => (await site.status('shop')).map(({ daemon, state }) => [daemon, state]);
    await expect.poll(states, { timeout: 20_000 }).toEqual([
      ['main', 'running'],
      ['other', 'running'],
    ]);
    // It loads what it needs later on soon after the start.
    await sleep(1000);
    rmSync(join(site.root, 'installed'), { recursive: true });
    writeFileSync(join(directory, 'go'), '');
    const cause =
      process.arch === 'x64' ? 'was killed by the system call filter for getpid of x32 (SIGSYS)' : 'died of SIGSYS';
    await expect.poll(() => stderr, { timeout: 10_000 }).toBe(`metactl: shop/main ${cause}\n`);
    expect(await states()).toEqual([
      ['main', 'failed'],
      ['other', 'running'],
    ]);
  } finally {
    run.kill('SIGTERM');
    await ended;
  }
  expect(run.exitCode).toBe(159);
});
