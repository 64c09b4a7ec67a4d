import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type NotifyDaemons, notifyApp } from '../../helpers/notify-app.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { type ServiceManager, useServiceManager } from '../../helpers/service-manager.ts';

leakCheck();

let scratch: Scratch;
let manager: ServiceManager;
const start = useServiceManager((...made) => {
  [scratch, manager] = made;
});

const shop = (daemons: NotifyDaemons) => notifyApp(scratch, daemons);

const metactl = (...args: string[]) => runMetactl(args, { root: scratch.root });

interface Status {
  readonly daemon: string;
  readonly pid: number | null;
  readonly state: string;
  readonly restarts: number;
  readonly statusText: string | null;
}

async function status(): Promise<readonly Status[]> {
  return JSON.parse((await metactl('status', 'shop', '--json')).stdout) as readonly Status[];
}

const count = (line: string) => manager.lines().filter((one) => one === line).length;

describe('reexec of the supervisor of a unit', () => {
  it('keeps daemons, their states and what the service manager was told', async () => {
    shop({
      db: ['say READY=1 say STATUS=fine sleep 60', 'ready = notify\nlog.to = file'],
      web: ['print one sleep 60', 'depends-on.db = ready\nlog.to = file\nrestart-sec = 100ms'],
    });
    const one = start({ WATCHDOG_USEC: '1000000' });
    await manager.until(/^READY=1$/);
    const before = await status();
    for (let i = 0; i < 3; i++) {
      const outcome = await metactl('reexec');
      expect(outcome).toMatchObject({ stderr: '', status: 0 });
      // One supervisor, though each daemon has a socket.
      expect(outcome.stdout).toMatch(
        new RegExp(`^the supervisor of shop \\(pid ${one.child.pid}\\) is metactl \\S+ now; .*\n$`),
      );
    }
    const kept = ({ daemon, pid, state, restarts, statusText }: Status) => [daemon, pid, state, restarts, statusText];
    expect((await status()).map(kept)).toEqual(before.map(kept));
    expect(count('READY=1')).toBe(1);
    const pings = count('WATCHDOG=1');
    await expect.poll(() => count('WATCHDOG=1'), { timeout: 5000 }).toBeGreaterThan(pings + 1);
    // It goes on as what it was: what dies is started again, whatever was asked for is done.
    const web = (await status()).find(({ daemon }) => daemon === 'web')!;
    process.kill(web.pid!, 'SIGKILL');
    await expect
      .poll(async () => (await status()).find(({ daemon }) => daemon === 'web'), { timeout: 10_000 })
      .toMatchObject({ restarts: 1, state: 'running' });
    const log = () => readFileSync(join(scratch.root, 'var/log/metactl/shop/web.log'), 'utf8');
    const lives = () => log().match(/ out: one$/gm)?.length;
    // Running is not yet printing: the restart must not come in between.
    await expect.poll(lives, { timeout: 10_000 }).toBe(2);
    expect(await metactl('restart', 'shop', 'db')).toMatchObject({ status: 0 });
    await expect.poll(lives, { timeout: 10_000 }).toBe(3);
    const { status: ended } = await one.stop('SIGTERM');
    expect(ended).toBe(0);
    expect(new Set(manager.messages.map(({ pid }) => pid))).toEqual(new Set([one.child.pid]));
    expect(count('STOPPING=1')).toBe(1);
    expect(count('READY=1')).toBe(1);
  });

  it('in the midst of a start, which is told when it is over', async () => {
    shop({ main: ['sleep 4 say READY=1 sleep 60', 'ready = notify\nlog.to = file'] });
    const one = start();
    await expect.poll(async () => (await status())[0]?.state, { timeout: 10_000 }).toBe('starting');
    expect(await metactl('reexec', 'shop')).toMatchObject({ status: 0 });
    expect(count('READY=1')).toBe(0);
    await manager.until(/^READY=1$/);
    expect((await status())[0]).toMatchObject({ restarts: 0, state: 'ready' });
    expect((await one.stop('SIGTERM')).status).toBe(0);
  });

  it('is refused where output is passed through, and where there is none', async () => {
    shop({ main: ['say READY=1 sleep 60', 'ready = notify'] });
    const one = start();
    await manager.until(/^READY=1$/);
    const outcome = await metactl('reexec');
    expect(outcome).toMatchObject({ stdout: '', status: 1 });
    expect(outcome.stderr).toContain(
      "shop/main can't be handed over: what it writes is passed through to standard output",
    );
    expect((await status())[0]).toMatchObject({ restarts: 0, state: 'ready' });
    expect((await one.stop('SIGTERM')).status).toBe(0);
    expect((await metactl('reexec', 'shop')).status).toBe(3);
  });
});
