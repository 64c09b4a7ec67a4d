import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, type Running, runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useScratch } from '../../helpers/use-scratch.ts';

leakCheck();

const BIN = join(REPOSITORY, 'bin/metactl.cjs');

let scratch: Scratch;
const started = useScratch((made) => {
  scratch = made;
});

/** An app of daemons written in shell, without a network of its own. */
function shellApp(daemons: Readonly<Record<string, string>>, more = ''): void {
  const files = Object.fromEntries(
    Object.entries(daemons).map(([name, text]) => [`${name}.sh`, `#!/bin/sh\n${text}\n`]),
  );
  const directory = scratch.appDirectory('shop', files);
  const sections = Object.keys(daemons).map((name) => `[daemon.${name}]\ncommand = ./${name}.sh\n`);
  scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n${sections.join('')}${more}`);
}

const start = (...args: string[]): Running => started(['run', ...args]);

describe('metactl run', () => {
  it('passes output and status through', async () => {
    shellApp({ main: 'echo out; echo err >&2; exit 7' }, 'restart = no\n');
    expect(await runMetactl(['run', 'shop'], { root: scratch.root })).toEqual({
      stdout: 'out\n',
      stderr: 'err\nmetactl: shop/main ended with status 7\n',
      status: 7,
      signal: undefined,
    });
  });

  it('ends with 0 when the daemon does', async () => {
    shellApp({ main: 'exit 0' });
    expect(await runMetactl(['run', 'shop', 'main'], { root: scratch.root })).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('gives 128+n for a signal', async () => {
    shellApp({ main: 'kill -ABRT $$' }, 'restart = no\n');
    expect(await runMetactl(['run', 'shop'], { root: scratch.root })).toMatchObject({ status: 134 });
  });

  it('is 127 for a command that is not there and 126 for one that can’t run, with the path', async () => {
    shellApp({ main: 'exit 0' }, 'command = ./missing\n'.replace('command', 'nice = 0\ncommand'));
    scratch.node(
      'shop',
      `[app]\ndirectory = ${scratch.root}/apps/shop\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = no-such-program\n`,
    );
    const missing = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(missing).toMatchObject({ status: 127 });
    expect(missing.stderr).toContain('no-such-program');
    scratch.node(
      'shop',
      `[app]\ndirectory = ${scratch.root}/apps/shop\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = /etc/passwd\n`,
    );
    const notExecutable = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(notExecutable).toMatchObject({ status: 126 });
    expect(notExecutable.stderr).toContain('/etc/passwd');
  });

  it('prefixes the lines of several daemons', async () => {
    shellApp({ one: 'echo hello', other: 'echo world' });
    const { stdout, status } = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(stdout.split('\n').sort()).toEqual(['', 'one   | hello', 'other | world']);
    expect(status).toBe(0);
  });

  it('stops on SIGTERM and passes on how the daemon ended', async () => {
    shellApp({ main: 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.1; done' });
    const one = start('shop');
    await one.waitFor(/up/);
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 0, stdout: 'up\nbye\n' });
  });

  it('hands other signals on', async () => {
    shellApp(
      { main: 'trap "echo hup" HUP; trap "echo usr1" USR1; echo up; while :; do sleep 0.05; done' },
      'reload-signal = SIGHUP\n',
    );
    const one = start('shop');
    await one.waitFor(/up/);
    one.child.kill('SIGHUP');
    await one.waitFor(/hup/);
    one.child.kill('SIGUSR1');
    await one.waitFor(/usr1/);
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 143 });
  });

  it('lives on after SIGHUP, as does a daemon that would die of it and sets no reload-signal', async () => {
    shellApp({ main: 'trap "echo usr1" USR1; echo up; while :; do sleep 0.05; done' });
    const one = start('shop');
    await one.waitFor(/up/);
    one.child.kill('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 500));
    one.child.kill('SIGUSR1');
    await one.waitFor(/usr1/);
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 143, stdout: 'up\nusr1\n' });
  });

  it('tells SIGHUP on a terminal from a terminal that hangs up, which stops it', async () => {
    shellApp({ main: 'trap "echo bye >$STATE_DIRECTORY/bye; exit 0" TERM HUP; echo up; while :; do sleep 0.05; done' });
    const bye = join(scratch.root, 'var/lib/metactl/apps/shop/state/bye');
    // `script` is the terminal; the shell on it tells metactl's pid and becomes metactl.
    const shell = 'echo pid $$; exec "$NODE" "$BIN" run shop';
    const terminal = spawn('script', ['-qefc', shell, '/dev/null'], {
      env: { PATH: process.env.PATH, METACTL_ROOT: scratch.root, NODE: process.execPath, BIN, TERM: 'dumb' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let shown = '';
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
    });
    try {
      await expect.poll(() => shown, { timeout: 20_000 }).toMatch(/pid \d+\r\n.*up/s);
      const pid = Number(/pid (\d+)/.exec(shown)![1]);
      process.kill(pid, 'SIGHUP');
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect([existsSync(bye), existsSync(`/proc/${pid}`)]).toEqual([false, true]);
      terminal.kill('SIGKILL');
      await expect
        .poll(() => [existsSync(bye), existsSync(`/proc/${pid}`)], { timeout: 20_000 })
        .toEqual([true, false]);
    } finally {
      terminal.kill('SIGKILL');
    }
  });

  it('kills what ignores SIGTERM after timeout-stop-sec', async () => {
    shellApp({ main: 'trap "" TERM; echo up; while :; do sleep 0.1; done' }, 'timeout-stop-sec = 300ms\n');
    const one = start('shop');
    await one.waitFor(/up/);
    const asked = performance.now();
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 137 });
    expect(performance.now() - asked).toBeGreaterThan(250);
  });

  it('restarts after a failure and counts up the delay', async () => {
    shellApp({ main: 'echo run; exit 3' }, 'restart-sec = 20ms\n');
    const one = start('shop');
    await one.waitFor(/run\n[\s\S]*run\n[\s\S]*run\n/);
    const { stderr, status } = await one.stop('SIGTERM');
    expect(stderr).toMatch(/shop\/main ended with status 3\nmetactl: shop\/main: restarting in (1[5-9]|20) ms\n/);
    // The signal may find it between its line and its end, or once more started.
    expect([3, 143]).toContain(status);
  });

  it('refuses to run a daemon twice', async () => {
    shellApp({ main: 'echo up; sleep 30' });
    const one = start('shop');
    await one.waitFor(/up/);
    const second = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(second.status).toBe(125);
    expect(second.stderr).toContain('shop/main is already running');
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 143 });
  });

  it('takes everything along when it is killed itself', async () => {
    shellApp({ main: 'setsid sleep 1000 & echo up; wait' });
    const one = start('shop');
    await one.waitFor(/up/);
    await one.stop('SIGKILL');
    // The leak check proves that no process is left; a new run clears the rest away.
    const next = start('shop');
    await next.waitFor(/up/);
    expect(await next.stop('SIGTERM')).toMatchObject({ status: 143 });
  });
});
