import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { startMetactl } from '../../helpers/run-metactl.ts';
import { makeSite, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const numbers = (text: string) => [...text.matchAll(/line (\d+)$/gm)].map((match) => Number(match[1]));
const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

it('a log that is moved or removed goes on where readers look for it', async () => {
  const directory = site.scratch.appDirectory('shop', {});
  const script = '#!/bin/sh\ni=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.02; done\n';
  writeFileSync(join(directory, 'write.sh'), script, { mode: 0o755 });
  site.app('shop', { web: `command = ${directory}/write.sh\nlog.to = file` });
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  const logs = join(site.root, 'var/log/metactl/shop');
  const file = join(logs, 'web.log');
  const follower = startMetactl(['logs', 'shop', 'web', '-f', '-n', '100000'], { root: site.root });
  try {
    await follower.waitFor(/line 20$/m);
    const { ino, mode, gid } = statSync(file);
    renameSync(file, join(logs, 'web.old'));
    await expect.poll(() => statSync(file, { throwIfNoEntry: false })?.size ?? 0, { timeout: 5000 }).toBeGreaterThan(0);
    expect(statSync(file)).toMatchObject({ mode, gid });
    expect(statSync(join(logs, 'web.old')).ino).toBe(ino);
    await sleep(3000);
    const both = numbers(readFileSync(join(logs, 'web.old'), 'utf8') + readFileSync(file, 'utf8'));
    expect(both).toEqual(upTo(both.length));
    // Whoever follows has missed nothing.
    await follower.waitFor(new RegExp(`line ${both.length}$`, 'm'));
    const seen = numbers(follower.output.stdout);
    expect(seen).toEqual(upTo(seen.length));
  } finally {
    await follower.stop('SIGTERM');
  }
  rmSync(file);
  await expect.poll(() => statSync(file, { throwIfNoEntry: false })?.size ?? 0, { timeout: 5000 }).toBeGreaterThan(0);
  const { mode, gid } = statSync(logs);
  rmSync(logs, { recursive: true });
  await expect.poll(() => statSync(file, { throwIfNoEntry: false })?.size ?? 0, { timeout: 5000 }).toBeGreaterThan(0);
  expect(statSync(logs)).toMatchObject({ mode, gid });
  // The process after this one looks there, too.
  expect(await site.metactl(['reexec'])).toMatchObject({ status: 0, stderr: '' });
  rmSync(file);
  await expect.poll(() => statSync(file, { throwIfNoEntry: false })?.size ?? 0, { timeout: 5000 }).toBeGreaterThan(0);
}, 60_000);
