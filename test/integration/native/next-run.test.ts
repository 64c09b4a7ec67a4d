import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { launch, readyLaunch } from '../../../src/host/linux/launch.ts';
import { makeSpare } from '../../../src/host/linux/spare.ts';
import { endSuccessor, followSuccessor } from '../../../src/host/linux/spawn.ts';
import { openAppStages, type StagesHold } from '../../../src/host/linux/stages.ts';
import type { LaunchedSandbox } from '../../../src/host/linux/watch.ts';
import type { MountStep, SandboxPlan } from '../../../src/sandbox/plan.ts';
import { sandboxPlan } from '../../fixtures/native/plan.ts';
import { collect, PIPES, printed } from '../../fixtures/native/run.ts';

let scratch: string;
let netns: number;
let hold: StagesHold;
/** Stands for the daemon's cgroup.procs. */
let processes: string;

const ALL = new Uint8Array(256 + 65).fill(1);
const WATCH = { leftOut: [], oomKilled: () => false };

beforeAll(() => {
  scratch = mkdtempSync('/var/tmp/metactl-next-');
  chmodSync(scratch, 0o755);
  processes = join(scratch, 'processes');
  writeFileSync(join(scratch, 'netns'), '');
  netns = addon().makeNetns(join(scratch, 'netns'));
});
afterAll(() => {
  closeSync(netns);
  addon().unmount(join(scratch, 'netns'));
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  hold = openAppStages('next');
});
afterEach(() => hold.release());

/** Its daemon runs, and the next one is made ready; `change` is what differs from the ordinary. */
async function armed(plan: SandboxPlan, change: { endings?: Uint8Array; delay?: number; inside?: string } = {}) {
  await hold.stages.prepare(plan, netns);
  const handles = { tasks: [], netns, stdio: PIPES, stages: hold };
  const sandbox = launch(plan, handles);
  const ready = printed(sandbox, /up/);
  await sandbox.started;
  await ready;
  writeFileSync(processes, change.inside ?? `${sandbox.pid}\n`);
  const made = readyLaunch(plan, handles, processes);
  expect(made).toBeDefined();
  const { endings = ALL, delay = 0 } = change;
  sandbox.arm({ ...made!, endings, delay });
  return sandbox;
}

async function withSpare(plan: SandboxPlan) {
  await hold.stages.prepare(plan, netns);
  const sandbox = await armed(plan);
  const made = readyLaunch(plan, { tasks: [], netns, stdio: PIPES, stages: hold }, processes)!;
  const spare = makeSpare(made, () => {});
  sandbox.arm({ ...made, endings: ALL, delay: 0 }, spare);
  return { sandbox, made, spare };
}

async function ended(sandbox: LaunchedSandbox) {
  const ending = await sandbox.daemonEnded;
  const successor = sandbox.takeSuccessor();
  await sandbox.ended;
  return { ending, successor };
}

const UP = sandboxPlan(['sh', '-c', 'echo up; read line || sleep 60']);

describe('a launch made ready in advance', () => {
  it('is under way when the end of the daemon is told, and gives the next run as any other', async () => {
    const plan = sandboxPlan(['sh', '-c', 'echo up; trap "exit 3" TERM; sleep 60 & wait']);
    const sandbox = await armed(plan);
    sandbox.signal(15);
    const { ending, successor } = await ended(sandbox);
    expect(ending).toMatchObject({ code: 3, sandboxDied: false });
    expect(successor).toBeDefined();
    const next = followSuccessor(successor!, PIPES, WATCH);
    const again = printed(next, /up/);
    await next.started;
    await again;
    next.signal(15);
    expect(await next.ended).toMatchObject({ code: 3, sandboxDied: false });
  });

  it.each([
    ['after an end that it was not made for', { endings: ALL.map((_, end) => (end === 256 + 9 ? 0 : 1)) }],
    ['before its time', { delay: 60_000 }],
    ['beside another process of the daemon', { inside: '1\n2\n' }],
    ['beside one in the place of metactl-init', { inside: '1\n' }],
  ])('does not begin %s', async (_, change) => {
    const sandbox = await armed(UP, change);
    sandbox.kill();
    expect((await ended(sandbox)).successor).toBeUndefined();
    const other = await armed(UP, change);
    killDaemon(other);
    expect((await ended(other)).successor).toBeUndefined();
  });

  it('does not begin when its stage is outdated, closed, or it was disarmed', async () => {
    const hidden = join(scratch, 'hidden');
    writeFileSync(hidden, '');
    const plan = {
      ...UP,
      root: {
        ...UP.root,
        steps: [
          ...UP.root.steps.slice(0, 1),
          {
            op: 'bind' as const,
            source: hidden,
            target: '/etc/hostname',
            recursive: false,
            shared: true,
            readOnly: true,
            noSuid: true,
            noDev: true,
          },
          ...UP.root.steps.slice(1),
        ],
        common: 1,
      },
    };
    const outdated = await armed(plan);
    writeFileSync(`${hidden}.new`, '');
    renameSync(`${hidden}.new`, hidden);
    killDaemon(outdated);
    expect((await ended(outdated)).successor).toBeUndefined();

    const disarmed = await armed(UP);
    disarmed.arm(undefined);
    killDaemon(disarmed);
    expect((await ended(disarmed)).successor).toBeUndefined();

    const closed = await armed(UP);
    hold.release();
    killDaemon(closed);
    expect((await ended(closed)).successor).toBeUndefined();
  });

  it('is a spare that waits, with nothing in it but metactl-init, where there is one', async () => {
    const { sandbox, spare } = await withSpare(UP);
    const { pid } = spare.native;
    expect(readChildren(pid)).toEqual([]);
    killDaemon(sandbox);
    const { successor } = await ended(sandbox);
    expect(successor!.pid).toBe(pid);
    await spare.gone;
    spare.drop();
    const next = followSuccessor(successor!, PIPES, WATCH);
    const again = printed(next, /up/);
    await next.started;
    await again;
    expect(readChildren(pid)).toHaveLength(1);
    next.kill();
    await next.ended;
  });

  it('is no spare that has ended, or shows what has been replaced since', async () => {
    const dead = await withSpare(UP);
    process.kill(dead.spare.native.pid, 'SIGKILL');
    await dead.spare.gone;
    dead.sandbox.arm({ ...dead.made, endings: ALL, delay: 0 });
    killDaemon(dead.sandbox);
    const { successor: other } = await ended(dead.sandbox);
    await endSuccessor(other!);

    const shown = join(scratch, 'shown');
    writeFileSync(shown, '');
    const own = { op: 'bind', source: shown, target: '/etc/hostname', recursive: false, shared: false } as const;
    const plan = { ...UP, root: { ...UP.root, steps: [...UP.root.steps, own] } };
    for (const replaced of [false, true]) {
      const { sandbox, spare } = await withSpare(plan);
      if (replaced) writeFileSync(`${shown}.new`, '');
      if (replaced) renameSync(`${shown}.new`, shown);
      killDaemon(sandbox);
      const { successor } = await ended(sandbox);
      expect(successor!.pid === spare.native.pid).toBe(!replaced);
      spare.drop();
      await spare.gone;
      await endSuccessor(successor!);
    }
  });

  it('is no spare where half of all descriptors are open', async () => {
    await hold.stages.prepare(UP, netns);
    const made = readyLaunch(UP, { tasks: [], netns, stdio: PIPES, stages: hold }, processes)!;
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))!;
    const limitTo = (count: number | string) =>
      execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${count}:`]);
    const free = openSync('/dev/null', 'r');
    closeSync(free);
    const before = readdirSync('/proc/self/fd').length;
    limitTo(free + 40);
    try {
      expect(() => makeSpare(made, () => {})).toThrow(expect.objectContaining({ code: 'EMFILE' }));
    } finally {
      limitTo(soft!);
    }
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });

  it('is no spare that was dropped: it ends, also while this process waits for it', async () => {
    const { sandbox, spare } = await withSpare(UP);
    const { pid } = spare.native;
    expect(spare.settle()).toBe(true);
    process.kill(pid, 0);
    sandbox.arm(undefined);
    spare.drop();
    expect(spare.settle()).toBe(true);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await spare.gone;
    sandbox.kill();
    await sandbox.ended;
  });

  it('can’t wait where a recursive bind, a cgroup that is mounted or one that would count it is in it', async () => {
    await hold.stages.prepare(UP, netns);
    const handles = { tasks: [], netns, stages: hold, stdio: PIPES };
    const waits = (steps: readonly MountStep[], more = {}) =>
      readyLaunch(
        { ...UP, root: { ...UP.root, steps: [...UP.root.steps, ...steps] } },
        { ...handles, ...more },
        processes,
      )!.canWait;
    const bind = { op: 'bind', source: scratch, target: '/tmp', recursive: false, shared: false } as const;
    expect(waits([bind])).toBe(true);
    expect(waits([{ ...bind, recursive: true }])).toBe(false);
    const step = { op: 'cgroup', target: '/tmp', version: 1, controllers: 'pids', shared: false } as const;
    expect(waits([step])).toBe(false);
    expect(waits([step], { v1: new Map([['pids', scratch]]) })).toBe(true);
    expect(waits([], { cgroup: 1, tasks: [1] })).toBe(false);
    expect(waits([], { cgroup: 1, tasks: [1], isCounted: false })).toBe(true);
    expect(waits([], { cgroup: 1, isCounted: false })).toBe(false);
  });

  it('ends where nobody wants it', async () => {
    const sandbox = await armed(UP);
    killDaemon(sandbox);
    const { successor } = await ended(sandbox);
    await endSuccessor(successor!);
    expect(() => process.kill(successor!.pid, 0)).toThrow('ESRCH');
  });

  it('is not ready where output goes to a descriptor, or the daemon may leave descriptors for its next start', async () => {
    await hold.stages.prepare(UP, netns);
    const handles = { tasks: [], netns, stages: hold, stdio: PIPES };
    expect(readyLaunch(UP, handles, processes)).toBeDefined();
    expect(readyLaunch(UP, { ...handles, stdio: { ...PIPES, stdout: 1 } }, processes)).toBeUndefined();
    const stores = { ...UP, process: { ...UP.process, env: { ...UP.process.env, FDSTORE: '1' } } };
    expect(readyLaunch(stores, handles, processes)).toBeUndefined();
  });

  it('leaves the pipes of both runs with their own lines', async () => {
    const plan = sandboxPlan(['sh', '-c', 'echo up; read line || sleep 0.2; echo last']);
    const sandbox = await armed(plan);
    const before = collect(sandbox);
    const { successor } = await ended(sandbox);
    const next = await collect(followSuccessor(successor!, PIPES, WATCH));
    expect((await before).output).toBe('last\n');
    expect(next.output).toBe('up\nlast\n');
  });
});

/** SIGKILL to the daemon itself, metactl-init lives. */
function killDaemon({ daemonPid, pid }: LaunchedSandbox): void {
  expect(daemonPid).toBeDefined();
  const children = readChildren(pid);
  expect(children).toHaveLength(1);
  process.kill(children[0]!, 'SIGKILL');
}

function readChildren(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}
