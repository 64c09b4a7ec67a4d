import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { goOnAtBoot } from '../../../src/cli/boot.ts';
import { host } from '../../../src/host/index.ts';
import { nodeManager, nodeModel } from '../../../src/service/node.ts';
import { BootStarts } from '../../../src/supervisor/standalone/boot-starts.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { BIN, startMetactl } from '../../helpers/run-metactl.ts';
import { startServiceManager } from '../../helpers/service-manager.ts';
import { makeSite, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

const SLEEP = 'command = /bin/sleep 98763';

it('a service manager’s supervisor starts all apps, tells that, and stops them', async () => {
  site.app('shop', { web: SLEEP });
  site.app('mail', { in: SLEEP });
  site.app('broken', { web: 'command = /no/such' });
  const socket = join(site.root, 'notify');
  const manager = await startServiceManager(socket);
  const running = startMetactl(['supervise', '--boot'], { root: site.root, env: { NOTIFY_SOCKET: socket } });
  try {
    await manager.until(/^READY=1$/);
    await expect
      .poll(async () => (await site.status()).map(({ app, state }) => `${app} ${state}`), { timeout: 10_000 })
      .toEqual(expect.arrayContaining(['mail running', 'shop running']));
    expect((await site.status('shop'))[0]?.supervisor).toEqual({ pid: running.child.pid, kind: 'standalone' });
  } finally {
    const { status } = await running.stop();
    manager.close();
    expect(status).toBe(0);
  }
  expect(running.output.stderr).toMatch(/broken/);
  expect((await site.metactl(['status', 'shop'])).status).toBe(3);
});

it('what can not be started yet is tried again, until somebody says what is to become of it', async () => {
  site.scratch.metactlConf('[network]\npool = 192.0.2.192/28\nuplink = mtest-none\n');
  const directory = site.scratch.appDirectory('shop', {});
  site.scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = routed\n[daemon.web]\n${SLEEP}\n`);
  site.app('mail', { in: SLEEP });
  const socket = join(site.root, 'notify');
  const manager = await startServiceManager(socket);
  const running = startMetactl(['supervise', '--boot'], { root: site.root, env: { NOTIFY_SOCKET: socket } });
  const said = (seconds: number) =>
    `shop could not be started: the uplink \`mtest-none\` isn't there; trying again in ${seconds} s\n`;
  try {
    await manager.until(/^READY=1$/);
    await running.waitFor(/trying again in 2 s\n/);
    expect(running.output.stderr).toContain(said(1));
    expect((await site.status('mail'))[0]?.state).toBe('running');
    expect((await site.metactl(['stop', 'shop'])).status).toBe(3);
    await sleep(2500);
    expect(running.output.stderr).not.toContain('trying again in 4 s');
  } finally {
    const { status } = await running.stop();
    manager.close();
    expect(status).toBe(0);
  }
});

it('what could not be started yet is handed over by `reexec`', async () => {
  site.scratch.metactlConf('[network]\npool = 192.0.2.192/28\nuplink = mtest-up\n');
  const directory = site.scratch.appDirectory('shop', {});
  site.scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = routed\n[daemon.web]\n${SLEEP}\n`);
  site.app('mail', { in: SLEEP });
  const running = startMetactl(['supervise', '--boot'], { root: site.root });
  const ip = (...words: string[]) => spawnSync('ip', words, { encoding: 'utf8' });
  const until = (state: string) =>
    expect.poll(async () => (await site.status('shop'))[0]?.state, { timeout: 20_000 }).toBe(state);
  try {
    await running.waitFor(/trying again in 2 s\n/);
    expect(await site.metactl(['reexec'])).toMatchObject({ stderr: '', status: 0 });
    await running.waitFor(
      / goes on\n(.*\n)*.*shop could not be started: the uplink `mtest-up` isn't there; trying again/,
    );
    expect((await site.status('mail'))[0]).toMatchObject({ state: 'running', restarts: 0, starts: { manual: 1 } });
    expect(ip('link', 'add', 'mtest-up', 'type', 'veth', 'peer', 'name', 'mtest-up2')).toMatchObject({
      stderr: '',
      status: 0,
    });
    ip('link', 'set', 'mtest-up', 'up');
    await until('running');
    expect((await site.metactl(['stop', 'shop'])).status).toBe(0);
    expect(await site.metactl(['reexec'])).toMatchObject({ stderr: '', status: 0 });
    await sleep(1500);
    await until('stopped');
  } finally {
    const { status } = await running.stop();
    ip('link', 'del', 'mtest-up');
    expect(status).toBe(0);
  }
});

it('the process that takes over in the midst of a boot tells the service manager', async () => {
  const socket = join(site.root, 'notify');
  const manager = await startServiceManager(socket);
  const said: string[] = [];
  const log = (line: string) => said.push(line);
  const boot = { paths: pathsFor(site.root), host: await host(), starts: new BootStarts(log), log };
  try {
    await goOnAtBoot(boot, { apps: ['gone'], notifySocket: socket });
    await manager.until(/^READY=1$/);
    expect(said).toEqual([expect.stringMatching(/^gone could not be started: /)]);
    expect(boot.starts.notifySocket).toBeUndefined();
  } finally {
    boot.starts.forget();
    manager.close();
  }
});

it('the init script starts and stops them', async () => {
  site.app('shop', { web: SLEEP });
  const manager = nodeManager('sysv');
  const [file] = manager.files(nodeModel(pathsFor(site.root), [process.execPath, BIN]));
  const script = (verb: string) =>
    spawnSync('/bin/sh', ['-c', file!.text, 'metactl', verb], { encoding: 'utf8', timeout: 60_000 });
  expect(script('start')).toMatchObject({ stdout: 'shop/web is being started\n', stderr: '', status: 0 });
  await expect.poll(async () => (await site.status('shop'))[0]?.state, { timeout: 10_000 }).toBe('running');
  expect(script('status').stdout).toContain('shop/web');
  expect(script('stop')).toMatchObject({ status: 0 });
  expect((await site.metactl(['status', 'shop'])).status).toBe(3);
  // Nothing to be stopped is a success.
  expect(script('stop').status).toBe(0);
  expect(script('nonsense')).toMatchObject({
    stderr: 'usage: metactl start|stop|restart|force-reload|status\n',
    status: 2,
  });
});

/** Stands for systemctl: notes what it is told, and starts the unit's supervisor. @returns the environment it is found by. */
function fakeSystemctl(): Record<string, string> {
  const bin = join(site.root, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh
echo "$*" >> ${site.root}/calls
test "$1" = start || exit 0
METACTL_ROOT=${site.root} setsid ${process.execPath} ${BIN} supervise --boot </dev/null >/dev/null 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10; do test -S ${site.root}/run/metactl/control.sock && sleep 1 && exit 0; sleep 0.5; done
`;
  writeFileSync(join(bin, 'systemctl'), script);
  chmodSync(join(bin, 'systemctl'), 0o755);
  return { PATH: `${bin}:${process.env.PATH}` };
}

it('the unit that `install --node` made is what `start` has started, and another supervisor is named to it', async () => {
  site.scratch.metactlConf('[node]\nservice-manager = systemd\n');
  site.app('shop', { web: SLEEP });
  site.app('mail', { in: SLEEP });
  const env = fakeSystemctl();
  const running = async () =>
    (await site.status()).flatMap(({ app, state }) => (state === 'running' ? [app] : [])).sort();
  const unit = `metactl-${pathsFor(site.root).nodeId}.service`;
  expect(await site.metactl(['install', '--node'], { env })).toMatchObject({ stderr: '', status: 0 });
  try {
    const up = { stdout: 'shop/web is up\n', stderr: '', status: 0 };
    expect(await site.metactl(['start', 'shop'], { env })).toMatchObject(up);
    // It is what runs now, not what was found running.
    expect((await site.metactl(['start', 'shop'], { env })).stdout).toBe('shop/web was running\n');
    expect(readFileSync(join(site.root, 'calls'), 'utf8')).toContain(`start ${unit}\n`);
    const pid = await site.supervisor();
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('--boot');
    // The first one since boot starts all.
    await expect.poll(running, { timeout: 10_000 }).toEqual(['mail', 'shop']);
    expect(await site.metactl(['supervise', '--boot'])).toMatchObject({
      stderr: expect.stringContaining(`a supervisor of this node is running already (pid ${pid})`),
      status: 69,
    });
    expect((await site.metactl(['stop', 'all'], { env })).status).toBe(0);
    expect(await site.metactl(['start', 'shop'], { env })).toMatchObject({ stderr: '', status: 0 });
    expect(await running()).toEqual(['shop']);
    expect((await site.metactl(['stop', 'all'], { env })).status).toBe(0);
    // As after a reboot: under a moved root the lock's file is still there.
    writeFileSync(join(site.root, 'run/metactl/control.lock'), '00000000-0000-4000-8000-000000000000\n');
    expect(await site.metactl(['start', 'shop'], { env })).toMatchObject({ stderr: '', status: 0 });
    await expect.poll(running, { timeout: 10_000 }).toEqual(['mail', 'shop']);
    expect((await site.metactl(['stop', 'all'], { env })).status).toBe(0);
  } finally {
    expect((await site.metactl(['uninstall', '--node'], { env })).status).toBe(0);
  }
});
