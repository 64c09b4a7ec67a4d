import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { launch, launchSoon } from '../../../src/host/linux/launch.ts';
import { emptyStage, makeEmptyStage } from '../../../src/host/linux/stage-build.ts';
import type { SandboxPlan } from '../../../src/sandbox/plan.ts';
import { sandboxPlan } from '../../fixtures/native/plan.ts';
import { collect, PIPES, until } from '../../fixtures/native/run.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

const HANDLES = { tasks: [], stdio: PIPES } as const;
function isKept(fd: string): boolean {
  try {
    return /^\/memfd:metactl-plan|^\/dev\/null$|^mnt:/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return true;
  }
}

const soon = async (plan: SandboxPlan) => (await launchSoon(plan, HANDLES)).sandbox;
const sh = (script: string) => sandboxPlan(['sh', '-c', script]);

describe('launchSoon', () => {
  it('launches one after the other, each as planned, while this process goes on', async () => {
    // Encoded plans are kept as long as the plans, numbers set aside for children and stages for good.
    const descriptors = () => readdirSync('/proc/self/fd').filter((fd) => !isKept(fd)).length;
    // What the first one opens stays open.
    await collect((await launchSoon(sh('exit'), HANDLES)).sandbox);
    const before = descriptors();
    const begun = Array.from({ length: 30 }, (_, i) => soon(sh(`echo ${i}; exit ${i}`)).then(collect));
    // Nothing of it is known in this turn, and one that is launched at once comes between.
    const between = await collect(launch(sh('echo between'), HANDLES));
    expect(between.output).toBe('between\n');
    const all = await Promise.all(begun);
    expect(all.map(({ output, ending }) => [output, ending.code])).toEqual(all.map((_, i) => [`${i}\n`, i]));
    await until(() => descriptors() <= before);
  });

  it('tells what fails as launch does, and launches the next', async () => {
    const wrong = openSync('/dev/null', 'r');
    try {
      const handles = { ...HANDLES, netns: wrong };
      const failed = launchSoon(sh('exit'), handles);
      const next = soon(sh('exit 3'));
      await expect(failed).rejects.toMatchObject({
        name: 'MetactlError',
        message: 'enter network namespace `/dev/null`: invalid argument (setns)',
        step: 'enter network namespace',
        code: 'EINVAL',
        exitStatus: 125,
      });
      expect(() => launch(sh('exit'), handles)).toThrow(
        'enter network namespace `/dev/null`: invalid argument (setns)',
      );
      expect((await collect(await next)).ending.code).toBe(3);
    } finally {
      closeSync(wrong);
    }
  });

  it('keeps what it starts from, whoever closes it meanwhile', async () => {
    await makeEmptyStage();
    const copy = openSync(`/proc/self/fd/${emptyStage()!}`, 'r');
    const options = { isolated: true, newMounts: true, newNetwork: true, title: 'x', tasks: [], trees: [] };
    const nothing = openSync('/dev/null', 'r+');
    const files = { init: nothing, plan: nothing, stdin: nothing, stdout: nothing, stderr: nothing, liveness: nothing };
    const error = await new Promise<Error | null>((resolve) => {
      addon().spawnSoon({ ...options, ...files, stage: copy }, undefined, resolve);
      closeSync(copy);
    });
    closeSync(nothing);
    // It has come through the stage: only what was to be executed there is no program.
    expect(error).toMatchObject({ step: 'execute metactl-init', code: 'EACCES' });
  });

  it('starts each of its threads once, also where the second one could not be started at first', () => {
    // As a user who has nothing but this process and another one, whose end makes room for one thread more.
    const program = `
      const { execFileSync, spawn } = require('node:child_process');
      const { openSync, readdirSync } = require('node:fs');
      const addon = require('./build/Release/metactl.node');
      addon.initialize(class extends Error {});
      const threads = () => readdirSync('/proc/self/task').length;
      const before = threads();
      const id = 64957;
      const other = spawn('sleep', ['60'], { uid: id, gid: id, stdio: 'ignore' });
      execFileSync('prlimit', ['--pid', String(process.pid), '--nproc=' + (before + 2)]);
      process.setgroups([]); process.setgid(id); process.setuid(id);
      const fd = openSync('/dev/null', 'r+');
      const files = { init: fd, plan: fd, stdin: fd, stdout: fd, stderr: fd, liveness: fd };
      const options = { ...files, isolated: true, newMounts: true, newNetwork: true, title: 'x', tasks: [], trees: [] };
      const launch = (then) => addon.spawnSoon(options, undefined, then);
      for (let i = 0; i < 2; i++) try { launch(() => {}); } catch (error) { console.log(error.message, threads() - before); }
      other.on('exit', () => launch(() => { console.log('answered', threads() - before); process.exit(); }));
      other.kill();`;
    const told = execFileSync(process.execPath, ['-e', program], {
      cwd: REPOSITORY,
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(told.trim().split('\n')).toEqual([
      'start a thread: resource temporarily unavailable (pthread_create) 1',
      'start a thread: resource temporarily unavailable (pthread_create) 1',
      'answered 2',
    ]);
  });
});
