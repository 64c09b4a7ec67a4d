import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filteredCalls } from '../../../src/host/linux/seccomp-log.ts';
import { callName } from '../../../src/sandbox/seccomp/call-name.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

/** What the kernel tells of the filter at work. */

leakCheck();

/** Only x86_64 has another convention that a program of ours can call by; elsewhere it says `alive`. */
const X64 = process.arch === 'x64';

let scratch: Scratch;

beforeEach(() => {
  scratch = makeScratch();
});
afterEach(async () => {
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
});

/** Runs a shell command, or `calls ARGUMENT`, as the app's only daemon. */
async function run(command: string, sandbox = '') {
  const directory = scratch.appDirectory('shop', {});
  const source = join(REPOSITORY, 'test/fixtures/seccomp/calls.c');
  execFileSync('gcc', ['-O2', '-D_GNU_SOURCE', '-o', join(directory, 'calls'), source]);
  const text = `[app]\ndirectory = ${directory}\n[sandbox]\n${sandbox}\n[sandbox.net]\nmode = none\n[daemon.main]\nrestart = no\ncommand = ${command}\n`;
  scratch.node('shop', text);
  const since = Date.now();
  const outcome = await runMetactl(['run', 'shop'], { root: scratch.root });
  const refused = async () => {
    const plan = await runMetactl(['plan', 'shop', '--json'], { root: scratch.root });
    const { uid } = JSON.parse(plan.stdout).daemons[0].identity as { uid: number };
    return filteredCalls({ uid, since, action: 'errno' }, 1000);
  };
  return { ...outcome, refused };
}

describe('what the filter did', () => {
  it.each([
    ['x32', 'getpid of x32'],
    ['i386', 'system call 20 of i386'],
  ])('to a daemon that it killed for a call of %s is said by name', async (convention, name) => {
    const { status, stderr, stdout } = await run(`./calls ${convention}`);
    if (!X64) {
      expect({ status, stdout }).toEqual({ status: 0, stdout: 'alive\n' });
      return;
    }
    // A kernel may have no such convention at all.
    const { signal } = spawnSync(join(scratch.root, 'apps/shop/calls'), [convention]);
    const message = `metactl: shop/main was killed by the system call filter for ${name} (SIGSYS)\n`;
    const fault = { status: 139, stderr: 'metactl: shop/main died of SIGSEGV\n' };
    expect({ status, stderr }).toEqual(signal === 'SIGSEGV' ? fault : { status: 159, stderr: message });
  });

  it('to a daemon is found by why also after it ended, with what there is to do', async () => {
    await run('./calls x32');
    const { status, stdout } = await runMetactl(['why', 'shop'], { root: scratch.root });
    expect(status).toBe(3);
    if (!X64) return;
    expect(stdout).toContain('  network   none\n  firewall  none: the app has no network but loopback\n');
    expect(stdout).toMatch(
      /warning: the system call filter stopped 1 call of shop\n {2}calls: getpid of x32, kill, .*\n {2}do: let the app do without it; getpid of x32 can't be allowed: /,
    );
  });

  it('is named for root inside a user namespace too', async () => {
    const { status, stderr } = await run('./calls x32', 'user-namespace = yes');
    if (X64)
      expect({ status, stderr }).toMatchObject({
        status: 159,
        stderr: expect.stringContaining('getpid of x32'),
      });
  });

  it('is not made up where SIGSYS comes from elsewhere', async () => {
    const { status, stderr } = await run(`sh -c 'kill -SYS $$'`);
    expect({ status, stderr }).toEqual({ status: 159, stderr: 'metactl: shop/main died of SIGSYS\n' });
  });

  it('to a refused call the kernel tells with log-syscalls, and only then', async () => {
    const quiet = await run('unshare --net true');
    expect(quiet.status).toBe(1);
    expect(await quiet.refused()).toEqual([]);
    const logged = await run('unshare --net true', 'log-syscalls = yes');
    expect(logged.status).toBe(1);
    const calls = await logged.refused();
    expect(calls.map(({ audit, number }) => callName(audit, number))).toContain('unshare');
  });

  it('not to a call that allow-syscalls names', async () => {
    const key = 'keyctl'; // Python has no function for it; number by architecture.
    const number = X64 ? 250 : 219;
    const program = `python3 -c 'import ctypes; l = ctypes.CDLL(None, use_errno=True); l.syscall(${number}, 99); print(ctypes.get_errno())'`;
    expect((await run(program)).stdout).toBe('1\n');
    expect((await run(program, `allow-syscalls = ${key}`)).stdout).not.toBe('1\n');
    const refused = await run(program, 'allow-syscalls = keyctl unshare');
    expect(refused).toMatchObject({ status: 78, stdout: '' });
    const where = `${scratch.root}/etc/metactl/nodes/shop.conf:4: [sandbox] allow-syscalls: `;
    expect(refused.stderr).toContain(`${where}\`unshare\` can't be allowed: it makes or enters namespaces`);
  });
});
