import { chownSync, closeSync, lstatSync, mkdirSync, openSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join as pathOf } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { join } from '../../../src/host/linux/join.ts';
import { type LaunchHandles, launch } from '../../../src/host/linux/launch.ts';
import { idmapFor, openUserNamespace, removeUserNamespace } from '../../../src/host/linux/user-namespace.ts';
import type { MountStep, SandboxPlan } from '../../../src/sandbox/plan.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { identity, processPlan, rootSteps, sandboxPlan } from '../../fixtures/native/plan.ts';
import { collect, PIPES } from '../../fixtures/native/run.ts';
import { takeMachine } from '../../helpers/machine-lock.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

/** Ids of nobody on this machine. */
const FIRST = 1_879_048_192;
const range = [{ from: FIRST, to: FIRST, count: 65_536 }];
const NAMESPACE = { first: FIRST, uids: range, gids: range, stateOwner: { uid: FIRST, gid: FIRST } };
const WHO = identity({ uid: 7, gid: 8, groups: [9] });

let scratch: Scratch;
let user: number;
let release: () => Promise<void>;
const paths = () => pathsFor(scratch.root);

beforeAll(async () => {
  // What is pinned is a mount of the whole machine.
  release = await takeMachine();
  scratch = makeScratch();
  mkdirSync(paths().runApp('some'), { recursive: true, mode: 0o700 });
  user = await openUserNamespace(paths(), 'some', FIRST);
});
afterAll(async () => {
  closeSync(user);
  removeUserNamespace(paths(), 'some');
  scratch.remove();
  await release();
});

function planOf(script: string, changes: Partial<SandboxPlan> = {}): SandboxPlan {
  return sandboxPlan(['sh', '-c', script], { userNamespace: NAMESPACE, identity: WHO, ...changes });
}

const start = (plan: SandboxPlan, handles: Partial<LaunchHandles> = {}) =>
  launch(plan, { tasks: [], stdio: PIPES, user, ...handles });

/** Why it does not start, as it comes: thrown, or by `started`. */
async function failure(plan: SandboxPlan, handles: Partial<LaunchHandles>): Promise<unknown> {
  try {
    await collect(start(plan, handles));
  } catch (error) {
    return error;
  }
  throw new Error('it started');
}

function withBind(step: Partial<Extract<MountStep, { op: 'bind' }>>): Partial<SandboxPlan> {
  const bind = { op: 'bind', source: scratch.root, target: '/mnt', recursive: false, shared: true, ...step } as const;
  return { root: { ...sandboxPlan([]).root, steps: [...rootSteps(), bind] } };
}

describe('a launch into a user namespace', () => {
  it('has the ids, groups and limits of the plan, no capabilities, and no descriptor of the namespace', async () => {
    const script =
      'id -u; id -g; id -G; grep -hE "^Cap(Prm|Eff|Bnd)" /proc/self/status; cat /proc/self/uid_map; ulimit -n; ls /proc/self/fd';
    const { output, ending } = await collect(start(planOf(script)));
    expect(ending).toMatchObject({ code: 0 });
    const lines = output.trim().split(/\s*\n\s*/);
    expect(lines.slice(0, 3)).toEqual(['7', '8', '8 9']);
    expect(lines.slice(3, 6).map((line) => line.split(/\s+/)[1])).toEqual(Array(3).fill('0'.repeat(16)));
    expect(lines[6]!.split(/\s+/)).toEqual(['0', String(FIRST), '65536']);
    expect(lines.slice(7)).toEqual(['1024', '0', '1', '2', '3']);
  });

  it('may keep capabilities, of that namespace only', async () => {
    const root = identity({ uid: 0, gid: 0, capabilities: ['CHOWN', 'SETUID'] });
    const script =
      'grep -hE "^Cap(Prm|Eff|Bnd|Amb)" /proc/self/status; touch /tmp/x && chown 5:6 /tmp/x && stat -c "%u %g" /tmp/x';
    const steps = rootSteps().map((step) =>
      step.op === 'tmpfs' && step.target === '/tmp' ? { ...step, uid: FIRST, gid: FIRST } : step,
    );
    const plan = planOf(script, { identity: root, root: { ...sandboxPlan([]).root, steps } });
    const { output } = await collect(start(plan));
    const lines = output.trim().split('\n');
    expect(lines.slice(0, 4).map((line) => line.split(/\s+/)[1])).toEqual(Array(4).fill('0000000000000081'));
    expect(lines[4]).toBe('5 6');
  });

  it('is entered by whoever joins, and PID 1 stays outside with five descriptors', async () => {
    const sandbox = start(planOf('echo up; exec sleep 1000'));
    await sandbox.started;
    try {
      expect(readlinkSync(`/proc/${sandbox.pid}/ns/user`)).toBe(readlinkSync('/proc/self/ns/user'));
      // Signals, liveness, status, and the two that the daemon writes to: none of the namespace.
      expect(readdirSync(`/proc/${sandbox.pid}/fd`)).toHaveLength(5);
      const pidfd = addon().pidfdOpen(sandbox.pid);
      const target = { pidfd, tasks: [], user: { fd: user, first: FIRST } };
      const script = processPlan(['sh', '-c', 'id -u; readlink /proc/self/ns/user; grep -h ^CapEff /proc/self/status']);
      const { output } = await collect(join(target, script, WHO, PIPES));
      expect(output).toBe(
        `7\nuser:[${statSync(pathOf(paths().runApp('some'), 'ids')).ino}]\nCapEff:\t0000000000000000\n`,
      );
      closeSync(pidfd);
    } finally {
      sandbox.kill();
      await sandbox.ended;
    }
  });

  it('does not start without the namespace, or with something else in its place', async () => {
    expect(() => launch(planOf('true'), { tasks: [], stdio: PIPES })).toThrow(
      expect.objectContaining({ message: "someapp/some: its user namespace isn't there", code: 'METACTL_NO_IDS' }),
    );
    const other = openSync('/proc/self/ns/uts', 'r');
    expect(await failure(planOf('true'), { user: other })).toMatchObject({
      step: 'enter user namespace',
      code: 'EINVAL',
    });
    closeSync(other);
    // Its own: nothing would be mapped.
    const own = openSync('/proc/self/ns/user', 'r');
    expect(await failure(planOf('true'), { user: own })).toMatchObject({
      step: 'enter user namespace',
      code: 'EINVAL',
    });
    closeSync(own);
  });

  it('does not start with an id that is not mapped', async () => {
    for (const [changes, step] of [
      [{ uid: 70_000 }, 'set user'],
      [{ gid: 70_000 }, 'set group'],
      [{ groups: [70_000] }, 'set groups'],
    ] as const) {
      const plan = planOf('true', { identity: { ...WHO, ...changes } });
      expect(await failure(plan, {})).toMatchObject({ step, code: 'EINVAL' });
    }
  });
});

describe('an idmapped bind', () => {
  it('shows and stores ids as mapped; needs its namespace, and a file system that can', async () => {
    if (!addon().hasMountApi()) {
      const plan = planOf('true', withBind({ idmapped: true }));
      expect(await failure(plan, { idmap: user })).toMatchObject({ step: 'map the ids of', code: 'ENOSYS' });
      return;
    }
    const disk = pathOf(scratch.root, 'disk');
    mkdirSync(disk);
    chownSync(disk, 94_711, FIRST + 8);
    const uids = [
      { from: 94_711, to: FIRST + 7, count: 1 },
      { from: FIRST, to: FIRST, count: 7 },
    ];
    const namespace = { ...NAMESPACE, uids };
    const idmap = await idmapFor(namespace);
    // The same maps are made once.
    expect(await idmapFor({ ...namespace })).toBe(idmap);
    const bind = withBind({ source: disk, idmapped: true, noSuid: true });
    const script = 'touch /mnt/file && stat -c "%u %g" /mnt/file; grep " /mnt " /proc/self/mountinfo';
    const open = planOf(script, { ...bind, userNamespace: namespace });
    const { output } = await collect(start(open, { idmap }));
    expect(output).toMatch(/^7 8\n.*,idmapped /);
    expect(lstatSync(pathOf(disk, 'file'))).toMatchObject({ uid: 94_711, gid: FIRST + 8 });

    expect(await failure(open, {})).toMatchObject({ step: 'map the ids of', syscall: 'mount_setattr' });
    const proc = planOf('true', withBind({ source: '/proc/sys', idmapped: true }));
    expect(await failure(proc, { idmap })).toMatchObject({ step: 'map the ids of', path: '/proc/sys', code: 'EINVAL' });
  });
});
