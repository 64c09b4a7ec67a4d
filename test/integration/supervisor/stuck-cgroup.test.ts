import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findAppCgroups } from '../../../src/host/linux/cgroup/index.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { startMetactl } from '../../helpers/run-metactl.ts';
import { makeSite, processesWith, type Site } from './site.ts';

leakCheck();

let site: Site;
const blocked: string[] = [];
beforeEach(() => {
  site = makeSite();
});
afterEach(async () => {
  for (const directory of blocked.splice(0)) spawnSync('umount', [directory]);
  await site.remove();
});

const leaves = (daemon: string) => findAppCgroups(pathsFor(site.root), 'shop')!.paths.map((path) => join(path, daemon));

/** The kernel removes no directory that something is mounted on, nor those above: as with a process that does not die. */
function block(daemon: string): string {
  const directory = leaves(daemon).at(-1)!;
  mkdirSync(join(directory, 'kept'));
  execFileSync('mount', ['-t', 'tmpfs', 'none', join(directory, 'kept')]);
  blocked.push(join(directory, 'kept'));
  return directory;
}

function unblock(): void {
  for (const directory of blocked.splice(0)) execFileSync('umount', [directory]);
}

const supervisorLog = () => readFileSync(join(site.root, 'var/log/metactl/supervisor.log'), 'utf8');

it('a cgroup that cannot be removed keeps no lock: it is told, and the next start says what is in its way', async () => {
  site.app('shop', { web: 'command = /bin/sleep 98761', db: 'command = /bin/sleep 98762' });
  expect((await site.metactl(['start', 'shop'])).status).toBe(0);
  const directory = block('web');
  expect(await site.metactl(['stop', 'shop', 'web'])).toMatchObject({ stdout: 'shop/web is stopped\n', status: 0 });
  expect(supervisorLog()).toContain(`cgroup ${directory} is in use; metactl gc takes away what is left`);
  const again = await site.metactl(['start', 'shop', 'web']);
  expect(again.stderr).toContain(`cgroup ${directory} is in use`);
  expect(again.stderr).not.toContain('already running');
  expect(again.status).toBe(1);
  expect((await site.status('shop', 'db'))[0]).toMatchObject({ state: 'running' });

  unblock();
  expect(await site.metactl(['start', 'shop', 'web'])).toMatchObject({ stdout: 'shop/web is up\n', status: 0 });
});

it('nor where something was killed in it, and a restart waits until it is free', async () => {
  site.app('shop', { web: 'command = /bin/sleep 98761\nrestart = always\nrestart-max-delay-sec = 1s' });
  expect((await site.metactl(['start', 'shop'])).status).toBe(0);
  const supervisor = await site.supervisor();
  const straggler = spawn('sleep', ['98763'], { stdio: 'ignore' });
  for (const leaf of leaves('web')) writeFileSync(join(leaf, 'cgroup.procs'), String(straggler.pid));
  const directory = block('web');
  for (const pid of processesWith('/bin/sleep 98761')) process.kill(pid, 'SIGKILL');
  await expect.poll(supervisorLog, { timeout: 20_000 }).toContain(`"text":"cgroup ${directory} is in use`);
  await expect
    .poll(async () => (await site.metactl(['why', 'shop'])).stdout, { timeout: 20_000 })
    .toContain(`cgroup ${directory} is in use`);
  unblock();
  await expect
    .poll(async () => (await site.status('shop'))[0], { timeout: 20_000 })
    .toMatchObject({ state: 'running' });
  expect(await site.supervisor()).toBe(supervisor);
});

it('nor that of a `run`', async () => {
  site.app('shop', { web: 'command = /bin/sleep 98761' });
  const running = startMetactl(['run', 'shop'], { root: site.root });
  await expect.poll(async () => (await site.status('shop'))[0]?.state, { timeout: 10_000 }).toBe('running');
  const directory = block('web');
  running.child.kill('SIGTERM');
  const ended = await running.ended;
  expect(ended.stderr).toContain(`warning: cgroup ${directory} is in use; metactl gc takes away what is left`);
  expect((await site.status('shop'))[0]).toMatchObject({ state: 'stopped' });
  unblock();
  expect(await site.metactl(['start', 'shop', 'web'])).toMatchObject({ stdout: 'shop/web is up\n', status: 0 });
});
