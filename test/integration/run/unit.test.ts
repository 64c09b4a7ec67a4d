import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ask } from '../../../src/supervisor/control/client.ts';
import { runSocket } from '../../../src/supervisor/control/sockets.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type NotifyDaemons, notifyApp } from '../../helpers/notify-app.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { type ServiceManager, startServiceManager, useServiceManager } from '../../helpers/service-manager.ts';

leakCheck();

let scratch: Scratch;
let socket: string;
let manager: ServiceManager;
const start = useServiceManager((...made) => {
  [scratch, manager, socket] = made;
});

const shop = (daemons: NotifyDaemons, more = '') => notifyApp(scratch, daemons, more);

const toEnd = (env: Record<string, string> = {}) =>
  runMetactl(['run', '--unit', 'shop'], { root: scratch.root, env: { NOTIFY_SOCKET: socket, ...env } });

describe('the service manager hears', () => {
  it('READY=1 when the probe has passed, and STOPPING=1; all from the supervisor itself', async () => {
    shop({ main: ['print up sleep 0.5 listen 8080 sleep 60', 'ready = tcp:8080'] });
    const one = start();
    await one.waitFor(/up/);
    expect(manager.lines()).not.toContain('READY=1');
    await manager.until(/^READY=1$/);
    const { status, stderr } = await one.stop('SIGTERM');
    expect(status).toBe(0);
    expect(stderr).toMatch(/^metactl: shop\/main: ready after 0\.\d s\n$/);
    const lines = manager.lines();
    expect(lines.filter((line) => !line.startsWith('STATUS='))).toEqual(['READY=1', 'STOPPING=1']);
    expect(lines).toEqual(expect.arrayContaining(['STATUS=starting', 'STATUS=ready', 'STATUS=stopping']));
    expect(new Set(manager.messages.map(({ pid }) => pid))).toEqual(new Set([one.child.pid]));
    expect(manager.messages[0]!.lines).toEqual(['EXTEND_TIMEOUT_USEC=15000000']);
  });

  it('it by an abstract socket too', async () => {
    const name = `@metactl-test-${process.pid}`;
    const other = await startServiceManager(name);
    try {
      shop({ main: ['sleep 60', ''] });
      const one = start({ NOTIFY_SOCKET: name });
      await other.until(/^READY=1$/);
      expect((await one.stop('SIGTERM')).status).toBe(0);
      await other.until(/^STOPPING=1$/);
    } finally {
      other.close();
    }
  });

  it('nothing of what the daemon says, which sees nothing of the manager', async () => {
    const env = '/bin/sh -c "env; exec sleep 60"';
    const directory = scratch.appDirectory('shop', {});
    scratch.node(
      'shop',
      `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ${env}\n`,
    );
    const watchdog = { WATCHDOG_USEC: '60000000', JOURNAL_STREAM: '1:2', LISTEN_FDS: '0' };
    const one = start(watchdog);
    await one.waitFor(/PATH=/);
    await manager.until(/^READY=1$/);
    const { stdout } = await one.stop('SIGTERM');
    expect(stdout).not.toMatch(/NOTIFY_SOCKET|WATCHDOG|JOURNAL_STREAM|LISTEN/);
  });

  it('of every state, with what the daemon says of itself, but no flood', async () => {
    const words = Array.from({ length: 30 }, (_, i) => `say STATUS=step-${i} sleep 0.01`).join(' ');
    shop({ main: [`say READY=1 ${words} sleep 60`, 'ready = notify'] });
    start();
    await manager.until(/^STATUS=ready: step-29$/);
    expect(manager.lines().filter((line) => line.includes('step-')).length).toBeLessThan(6);
  });

  it('of a restart as STATUS=, while the unit stays up', async () => {
    shop({ main: ['sleep 0.3 exit 3', 'restart-sec = 400ms'] });
    const one = start();
    await manager.until(/^STATUS=waits to be started again: ended with status 3$/);
    await manager.until(/^STATUS=running$/);
    await one.stop('SIGTERM');
    expect(manager.lines().filter((line) => !line.startsWith('STATUS='))).toEqual(['READY=1', 'STOPPING=1']);
  });

  it('of a reload: SIGHUP goes to a daemon with reload-signal, and READY=1 follows', async () => {
    shop({ main: ['sleep 60', 'reload-signal = SIGUSR1\nsuccess-exit-status = SIGUSR1'] });
    const one = start();
    await manager.until(/^READY=1$/);
    one.child.kill('SIGHUP');
    // The fixture does not handle it.
    expect((await one.ended).status).toBe(0);
    const lines = manager.lines().filter((line) => !line.startsWith('STATUS='));
    expect(lines[1]).toBe('RELOADING=1');
    expect(lines[2]).toMatch(/^MONOTONIC_USEC=\d+$/);
    const uptime = process.hrtime.bigint() / 1000n - BigInt(lines[2]!.slice('MONOTONIC_USEC='.length));
    expect(uptime > 0n && uptime < 20_000_000n).toBe(true);
    expect(lines.slice(3)).toEqual(['READY=1', 'STOPPING=1']);
  });

  it("of a daemon's own reload", async () => {
    shop({ main: ['say READY=1 sleep 0.3 say RELOADING=1 sleep 0.3 say READY=1 sleep 60', 'ready = notify'] });
    start();
    await manager.until(/^STATUS=reloading$/);
    for (let i = 0; manager.lines().filter((line) => line === 'READY=1').length < 2 && i < 50; i++) await sleep(100);
    expect(manager.lines().filter((line) => !/^STATUS|^MONOTONIC/.test(line))).toEqual([
      'READY=1',
      'RELOADING=1',
      'READY=1',
    ]);
  });
});

describe('the watchdog', () => {
  const pings = () => manager.lines().filter((line) => line === 'WATCHDOG=1').length;

  it('gets a sign of life as long as the daemon is well', async () => {
    const directory = shop({}, '');
    const file = join(directory, 'status');
    writeFileSync(file, '200');
    const keys = 'health = http:8080/\nhealth.interval = 100ms\nhealth.threshold = 1\nhealth.action = alert';
    shop({ main: [`http 8080 ${file} sleep 60`, keys] });
    start({ WATCHDOG_USEC: '200000' });
    await manager.until(/^READY=1$/);
    const before = pings();
    await sleep(1000);
    expect(pings() - before).toBeGreaterThan(5);
    writeFileSync(file, '500');
    await manager.until(/^STATUS=not well/);
    const unwell = pings();
    await sleep(600);
    expect(pings() - unwell).toBeLessThan(2);
    writeFileSync(file, '200');
    await manager.until(/^STATUS=running$/);
    await sleep(600);
    expect(pings() - unwell).toBeGreaterThan(2);
  });

  it('of somebody else is not answered', async () => {
    shop({ main: ['sleep 60', ''] });
    start({ WATCHDOG_USEC: '200000', WATCHDOG_PID: '1' });
    await manager.until(/^READY=1$/);
    await sleep(500);
    expect(pings()).toBe(0);
  });
});

it('needs at most 12 MB of its own once the start has settled', async () => {
  shop({ main: ['sleep 60', ''] });
  const one = start();
  await manager.until(/^READY=1$/);
  let size = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 100 && size > 12; round++) {
    await sleep(100);
    const text = readFileSync(`/proc/${one.child.pid}/smaps_rollup`, 'utf8');
    size = Number(/^Private_Dirty:\s+(\d+) kB/m.exec(text)?.[1]) / 1024;
  }
  console.log(`private memory of a unit's supervisor: ${size.toFixed(1)} MB`);
  expect(size).toBeLessThanOrEqual(12);
});

const lastStatus = () => manager.lines().findLast((line) => line.startsWith('STATUS='));

describe('it ends', () => {
  it('with 0 where its daemon ended well, which has been up', async () => {
    shop({ main: ['exit 0', ''] });
    expect(await toEnd()).toMatchObject({ status: 0, stderr: '' });
    expect(manager.lines().filter((line) => !line.startsWith('STATUS='))).toEqual(['READY=1', 'STOPPING=1']);
  });

  it('with 69 where the daemon failed and is not to be started again; its status is told', async () => {
    shop({ main: ['exit 3', 'restart = no'] });
    expect((await toEnd()).status).toBe(69);
    expect(lastStatus()).toBe('STATUS=failed: ended with status 3');
  });

  it('with 69 where the policy gave up', async () => {
    shop({ main: ['exit 3', 'restart-sec = 10ms\nstart-limit-burst = 2'] });
    const { status, stderr } = await toEnd();
    expect(status).toBe(69);
    expect(stderr).toContain('metactl: shop/main: gave up: started again 2 times within 10min, and ended each time\n');
    expect(lastStatus()).toBe(
      'STATUS=gave up: started again 2 times within 10min, and ended each time; last: ended with status 3',
    );
  });

  it('with 69 where one daemon gave up before all were ready: the others are stopped', async () => {
    shop({ a: ['sleep 60', ''], b: ['sleep 0.3 exit 3', 'ready = notify\nrestart = no'] });
    expect((await toEnd()).status).toBe(69);
    expect(manager.lines()).not.toContain('READY=1');
    expect(lastStatus()).toBe('STATUS=a: stopped; b: failed: ended with status 3');
  });

  it('not at all where one daemon gives up later: it can be started again, until all are told to stop', async () => {
    const directory = scratch.appDirectory('shop', {});
    const file = join(directory, 'fail');
    writeFileSync(file, '');
    const daemons = {
      a: "trap '' TERM; while :; do sleep 0.1; done",
      b: `sleep 0.3; [ -e ${file} ] && exit 3; exec sleep 60`,
    };
    const keys = 'restart = no\ntimeout-stop-sec = 3s\n';
    scratch.node(
      'shop',
      `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n` +
        Object.entries(daemons)
          .map(([name, text]) => `[daemon.${name}]\ncommand = /bin/sh -c "${text}"\n${keys}`)
          .join(''),
    );
    const one = start();
    await manager.until(/^STATUS=a: running; b: failed: ended with status 3$/);
    rmSync(file);
    const verb = (daemon: string, name: string) =>
      ask(runSocket(pathsFor(scratch.root), 'shop', daemon), name, { app: 'shop', daemon });
    const done = (daemon: string, text: string) => ({ daemons: [{ app: 'shop', daemon, done: text }] });
    expect(await verb('a', 'start')).toEqual(done('a', 'was running'));
    expect(await verb('b', 'start')).toEqual(done('b', 'is up, with the configuration that it was run with'));
    for (let i = 0; manager.lines().at(-1) !== 'STATUS=a, b: running' && i < 100; i++) await sleep(50);
    expect(manager.lines().at(-1)).toBe('STATUS=a, b: running');
    const ended = one.stop('SIGTERM');
    await manager.until(/^STOPPING=1$/);
    for (const name of ['start', 'restart']) {
      await expect(verb('b', name)).rejects.toThrow('shop/b was stopped while it was being restarted');
    }
    expect((await ended).status).toBe(0);
  });

  it('with 0 where it is stopped, also while it starts', async () => {
    shop({ main: ['print up sleep 60', 'ready = notify\ntimeout-stop-sec = 5s'] });
    const one = start();
    await one.waitFor(/up/);
    expect((await one.stop('SIGTERM')).status).toBe(0);
    expect(manager.lines()).not.toContain('READY=1');
  });

  it('with 78 where the configuration is wrong or not there, and says so', async () => {
    shop({ main: ['sleep 60', 'nonsense = 1'] });
    const { status, stderr } = await toEnd();
    expect(status).toBe(78);
    expect(manager.lines()).toEqual(expect.arrayContaining(['STOPPING=1']));
    expect(lastStatus()).toMatch(/^STATUS=.*nonsense/);
    expect(stderr).toContain('nonsense');
    expect((await runMetactl(['run', '--unit', 'none'], { root: scratch.root })).status).toBe(78);
  });

  it('with 69 where the command can not be run', async () => {
    const directory = scratch.appDirectory('shop', { 'main.sh': '#!/nowhere/sh\n' });
    const app = `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n`;
    scratch.node('shop', `${app}[daemon.main]\ncommand = ./main.sh\n`);
    expect((await toEnd()).status).toBe(69);
    expect(lastStatus()).toMatch(/main\.sh/);
    expect(manager.lines()).not.toContain('READY=1');
  });

  it('with 69 where it can not be started and is not to be tried again, after a pause for each try before', async () => {
    const nowhere = 'working-directory = /nope\n';
    shop({ main: ['sleep 60', `${nowhere}restart = no`] });
    expect((await toEnd()).status).toBe(69);
    expect(lastStatus()).toMatch(/^STATUS=.*\/nope/);
    shop({ main: ['sleep 60', `${nowhere}restart-sec = 10ms\nstart-limit-burst = 2`] });
    const { status, stderr } = await toEnd();
    expect(status).toBe(69);
    expect(stderr.match(/^metactl: shop\/main: .*\/nope/gm)).toHaveLength(3);
    expect(stderr).toContain('metactl: shop/main: gave up: started again 2 times within 10min');
    expect(manager.lines()).not.toContain('READY=1');
  });

  it('not while what it needs may come: an uplink that is not there at boot', async () => {
    const device = 'mtlate0';
    scratch.metactlConf(`[network]\npool = 198.18.77.0/28\nuplink = ${device}\n`);
    const app = `[app]\ndirectory = ${scratch.appDirectory('shop', {})}\n[sandbox.net]\nmode = routed\n`;
    const keys = 'restart-sec = 50ms\nrestart-max-delay-sec = 200ms\n';
    scratch.node('shop', `${app}[daemon.main]\ncommand = /bin/sleep 60\n${keys}`);
    const one = start();
    await manager.until(/^STATUS=the uplink `mtlate0` isn't there$/);
    await one.waitFor(/^metactl: the uplink `mtlate0` isn't there; trying again in 1 s$/m);
    expect(one.child.exitCode).toBeNull();
    execFileSync('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', `${device}p`]);
    try {
      execFileSync('ip', ['link', 'set', device, 'up']);
      await manager.until(/^READY=1$/);
      expect((await one.stop('SIGTERM')).status).toBe(0);
    } finally {
      execFileSync('ip', ['link', 'del', device]);
    }
  });

  it('with 78 where its command line can not be understood', async () => {
    for (const words of [['--no-such'], ['a', 'b']]) {
      const { status, stderr } = await runMetactl(['run', '--unit', 'shop', ...words], { root: scratch.root });
      expect({ status, stderr: stderr.split('\n')[1] }).toEqual({
        status: 78,
        stderr: '  hint: metactl run --help tells how it is used',
      });
    }
  });

  it('with 77 without root', async () => {
    shop({ main: ['sleep 60', ''] });
    const outcome = await runMetactl(['run', '--unit', 'shop'], { root: scratch.root, uid: 65534, gid: 65534 });
    expect(outcome.status).toBe(77);
  });

  it('no otherwise where nobody listens', async () => {
    manager.close();
    shop({ main: ['print up sleep 60', ''] });
    const one = start({ NOTIFY_SOCKET: join(scratch.root, 'gone') });
    await one.waitFor(/up/);
    const { status, stderr } = await one.stop('SIGTERM');
    expect(status).toBe(0);
    expect(stderr).toBe(`metactl: warning: can't tell the service manager by ${scratch.root}/gone: ENOENT\n`);
    expect(existsSync(join(scratch.root, 'gone'))).toBe(false);
  });
});
