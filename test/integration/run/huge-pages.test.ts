import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';
import { type ServiceManager, startServiceManager } from '../../helpers/service-manager.ts';

/** Whether the kernel gives transparent huge pages to whom (`THP_enabled` of /proc/PID/status, Linux 5.0). */

leakCheck();

let scratch: Scratch;
let manager: ServiceManager;
let one: Running | undefined;

beforeEach(async () => {
  scratch = makeScratch();
  manager = await startServiceManager(join(scratch.root, 'notify'));
});
afterEach(async () => {
  await one?.stop('SIGKILL');
  manager.close();
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
});

const SAYS = 'grep THP_enabled /proc/self/status';
const given = (pid: number | 'self' = 'self') =>
  /^THP_enabled:\t(\d)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];

/** A daemon that tells at each start, and a probe that looks in its sandbox, too. */
async function unit(): Promise<Running> {
  const directory = scratch.appDirectory('shop', {});
  const keys = `command = /bin/sh -c "${SAYS}; exec sleep 1005"\nready = exec:/bin/sh -c "${SAYS} | grep 1"\nrestart-sec = 100ms\nlog.to = file`;
  scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\n${keys}\n`);
  one = startMetactl(['run', '--unit', 'shop'], {
    root: scratch.root,
    env: { NOTIFY_SOCKET: join(scratch.root, 'notify') },
  });
  return one;
}

/** What it has told at its starts, once these are as many. */
async function told(starts: number): Promise<readonly string[]> {
  const file = join(pathsFor(scratch.root).log, 'shop', 'main.log');
  for (let i = 0; i < 200; i++) {
    const found = existsSync(file) ? [...readFileSync(file, 'utf8').matchAll(/THP_enabled:\t(\d)/g)] : [];
    if (found.length >= starts) return found.map(([, one]) => one!);
    await sleep(50);
  }
  throw new Error(`not started ${starts} times: ${one?.output.stderr}`);
}

const metactl = (...args: string[]) => runMetactl(args, { root: scratch.root });
const killed = async () => {
  const [{ pid }] = JSON.parse((await metactl('status', 'shop', '--json')).stdout) as [{ readonly pid: number }];
  process.kill(pid, 'SIGKILL');
};

describe('huge pages', () => {
  it('the supervisor of a unit gets none, and its daemons get them: started, restarted, after a reexec', async () => {
    expect(given()).toBe('1');
    const { child } = await unit();
    await manager.until(/^READY=1$/);
    expect(given(child.pid)).toBe('0');
    await killed();
    expect(await told(2)).toEqual(['1', '1']);
    expect(await metactl('reexec')).toMatchObject({ stderr: '', status: 0 });
    expect(given(child.pid)).toBe('0');
    await killed();
    expect(await told(3)).toEqual(['1', '1', '1']);
  });

  // The last one: this process gets none any more either, and nor does what it starts.
  it('a unit that was started without them has none in its daemons', async () => {
    addon().refuseHugePages();
    addon().refuseHugePages();
    expect(given()).toBe('0');
    await unit();
    expect(await told(1)).toEqual(['0']);
  });
});
