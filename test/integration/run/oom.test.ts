import { describe, expect, it } from 'vitest';
import { installJavaApp } from '../../helpers/java.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
const start = useScratch((made) => {
  scratch = made;
});

/** `tail` keeps what it reads until a line ends, which /dev/zero's never does. */
const EAT = 'tail /dev/zero';

function shop(keys: string, files: Readonly<Record<string, string>> = {}): string {
  const directory = scratch.appDirectory('shop', files);
  const head = `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\nmemory-swap-max = 0\n`;
  scratch.node('shop', head + keys);
  return directory;
}

const run = () => runMetactl(['run', 'shop'], { root: scratch.root });

describe('a daemon over its memory-max', () => {
  it('is reported as killed for memory, with the limit', async () => {
    shop(`command = ${EAT}\nmemory-max = 32m\nrestart = no\n`);
    expect(await run()).toEqual({
      stdout: '',
      stderr: 'metactl: shop/main was killed by the kernel: out of memory (memory-max 32m)\n',
      status: 137,
      signal: undefined,
    });
  });

  it('is reported so each time that it is started again', async () => {
    shop(`command = ${EAT}\nmemory-max = 32m\nrestart-sec = 20ms\n`);
    const one = start(['run', 'shop']);
    const killed = 'metactl: shop/main was killed by the kernel: out of memory \\(memory-max 32m\\)\n';
    await one.waitFor(new RegExp(`^(${killed}metactl: shop/main: restarting in \\d+ ms\n){3}`));
    expect((await one.stop('SIGTERM')).stderr).not.toContain('SIGKILL');
  });

  it('is told from one that was killed by somebody', async () => {
    shop('command = sh -c "kill -KILL $$"\nmemory-max = 32m\nrestart = no\n');
    expect(await run()).toMatchObject({ stderr: 'metactl: shop/main died of SIGKILL\n', status: 137 });
  });

  it('is told from one whose child was killed, which it got over or passes on', async () => {
    const script = (end: string) => `#!/bin/sh\n${EAT}\nstatus=$?\necho "child: $status"\nexit ${end}\n`;
    shop('command = ./main.sh\nmemory-max = 32m\nrestart = no\n', { 'main.sh': script('$status') });
    const passedOn = await run();
    expect(passedOn).toMatchObject({ stdout: 'child: 137\n', status: 137 });
    expect(passedOn.stderr).toContain(
      'metactl: shop/main ended with status 137; the kernel had killed a process of it: out of memory (memory-max 32m)\n',
    );
    shop('command = ./main.sh\nmemory-max = 32m\n', { 'main.sh': script('0') });
    const survived = await run();
    expect(survived).toMatchObject({ stdout: 'child: 137\n', status: 0 });
    expect(survived.stderr).not.toContain('metactl:');
  });

  it('may be a command that exec runs, in a sandbox of its own or in the daemon’s', async () => {
    shop('command = sleep 1000\nmemory-max = 32m\n');
    const exec = (...words: string[]) => runMetactl(['exec', 'shop', ...words], { root: scratch.root });
    const killed = 'metactl: the command was killed by the kernel: out of memory';
    expect(await exec('--fresh', '--', ...EAT.split(' '))).toMatchObject({
      stderr: `${killed} (memory-max 32m)\n`,
      status: 137,
    });
    const one = start(['run', 'shop']);
    await expect.poll(async () => (await exec('--', 'true')).status, { timeout: 10_000 }).toBe(0);
    expect(await exec('--', ...EAT.split(' '))).toMatchObject({ stderr: `${killed}\n`, status: 137 });
    expect(await exec('--', 'sh', '-c', 'kill -KILL $$')).toMatchObject({ stderr: '', status: 137 });
    await one.stop('SIGTERM');
  });

  it('may be a JVM whose heap is larger', async () => {
    const heap = 'jvm.heap.min = 256m\njvm.heap.max = 256m\njvm.options = -XX:+AlwaysPreTouch\n';
    const directory = shop(`platform = jvm\njvm.jar = jobmanager.jar 9001\n${heap}memory-max = 96m\nrestart = no\n`);
    installJavaApp(directory);
    const { stderr, status } = await run();
    expect(stderr).toBe('metactl: shop/main was killed by the kernel: out of memory (memory-max 96m)\n');
    expect(status).toBe(137);
  });
});
