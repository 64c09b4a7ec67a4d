import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { launch } from '../../../src/host/linux/launch.ts';
import type { MountStep } from '../../../src/sandbox/plan.ts';
import { rootSteps, sandboxPlan } from '../../fixtures/native/plan.ts';
import { collect, failureOf, PIPES, run, start } from '../../fixtures/native/run.ts';

let scratch: string;

beforeEach(() => {
  // Not below /tmp, which the test's root covers.
  scratch = mkdtempSync('/var/tmp/metactl-mounts-');
  mkdirSync(join(scratch, 'outer/inner'), { recursive: true });
  writeFileSync(join(scratch, 'outer/file'), 'outer\n');
  chmodSync(join(scratch, 'outer/file'), 0o666);
});

afterEach(() => {
  addon().unmount(join(scratch, 'outer/inner'));
  addon().unmount(join(scratch, 'outer'));
  rmSync(scratch, { recursive: true, force: true });
});

/** Runs a script in the usual root with more steps. */
function inRoot(script: string, steps: readonly MountStep[]) {
  const plan = sandboxPlan(['sh', '-c', script]);
  return run({ ...plan, root: { ...plan.root, steps: [...rootSteps(), ...steps] } });
}

describe('bind', () => {
  const bind = (changes: object): MountStep => ({
    op: 'bind',
    source: join(scratch, 'outer'),
    target: '/tmp/here',
    recursive: false,
    shared: true,
    ...changes,
  });
  const here: MountStep = { op: 'mkdir', target: '/tmp/here', mode: 0o755, shared: true };

  it('shows what is below another mount only if recursive, with the flags on all of it', async () => {
    addon().mountTmpfs(join(scratch, 'outer/inner'), { size: 4096, mode: 0o777 });
    writeFileSync(join(scratch, 'outer/inner/deep'), 'deep\n');
    const script =
      'cat /tmp/here/file; ls /tmp/here/inner; touch /tmp/here/x /tmp/here/inner/x 2>&1 | grep -c Read-only; grep -c "/tmp/here.* ro,nosuid,nodev" /proc/self/mountinfo';
    const flags = { readOnly: true, noSuid: true, noDev: true };
    expect((await inRoot(script, [here, bind(flags)])).output).toBe('outer\n2\n1\n');
    expect((await inRoot(script, [here, bind({ ...flags, recursive: true })])).output).toBe('outer\ndeep\n2\n2\n');
  });

  it('is writable where the plan says so', async () => {
    await inRoot('echo changed >/tmp/here/file', [here, bind({ noSuid: true, noDev: true })]);
    expect(readFileSync(join(scratch, 'outer/file'), 'utf8')).toBe('changed\n');
  });

  it('follows no symlink in its source', async () => {
    symlinkSync(join(scratch, 'outer'), join(scratch, 'link'));
    const plan = sandboxPlan(['true']);
    for (const source of [join(scratch, 'link'), join(scratch, 'link/inner')]) {
      const failure = await failureOf({
        ...plan,
        root: { ...plan.root, steps: [...rootSteps(), here, bind({ source })] },
      });
      expect(failure).toMatchObject({ code: 'ELOOP', step: 'bind', path: source });
    }
  });

  it('does not let mounts that come later in, nor out', async () => {
    execFileSync('mount', ['--make-shared', '-t', 'tmpfs', 'x', join(scratch, 'outer')]);
    mkdirSync(join(scratch, 'outer/inner'));
    const plan = sandboxPlan(['sh', '-c', 'echo ready; read x; ls /tmp/here/inner']);
    const { read, write } = addon().pipe(false);
    const steps = [...rootSteps(), here, bind({ recursive: true })];
    const sandbox = launch(
      { ...plan, root: { ...plan.root, steps } },
      { tasks: [], stdio: { stdin: read, stdout: 'pipe', stderr: 'pipe' } },
    );
    await sandbox.started;
    const before = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length;
    addon().mountTmpfs(join(scratch, 'outer/inner'), { size: 4096, mode: 0o755 });
    writeFileSync(join(scratch, 'outer/inner/late'), '');
    writeFileSync(write, '\n');
    expect((await collect(sandbox)).output).toBe('ready\n');
    expect(readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length).toBe(before + 1);
    for (const fd of [read, write]) closeSync(fd);
  });
});

describe('overlay', () => {
  it('shows lower directories of the new root, the first on top, read-only', async () => {
    const { output } = await inRoot(
      'cat /etc/made; test -s /etc/passwd && echo both; touch /etc/x 2>&1 | grep -c Read-only',
      [
        { op: 'mkdir', target: '/tmp/layer', mode: 0o755, shared: true },
        { op: 'file', target: '/tmp/layer/made', mode: 0o444, content: 'made\n', shared: true },
        { op: 'overlay', target: '/etc', lower: ['/tmp/layer', '/etc'], shared: true },
      ],
    );
    expect(output).toBe('made\nboth\n1\n');
  });
});

describe('cgroup', () => {
  it('shows the sandbox’s own v1 hierarchy read-only and leaves the host’s writable', async () => {
    const own = '/sys/fs/cgroup/pids/metactl-native-test';
    mkdirSync(own);
    try {
      const plan = sandboxPlan([
        'sh',
        '-c',
        'cat /sys/fs/cgroup/pids.max; grep pids /proc/self/cgroup | cut -d: -f3; wc -l </sys/fs/cgroup/cgroup.procs; touch /sys/fs/cgroup/x 2>&1 | grep -c Read-only',
      ]);
      writeFileSync(join(own, 'pids.max'), '77');
      const step: MountStep = {
        op: 'cgroup',
        target: '/sys/fs/cgroup',
        version: 1,
        controllers: 'pids',
        shared: false,
      };
      const tasks = openSync(join(own, 'tasks'), 'w');
      const sandbox = launch(
        { ...plan, root: { ...plan.root, steps: [...rootSteps(), step] } },
        { tasks: [tasks], stdio: PIPES },
      );
      closeSync(tasks);
      expect((await collect(sandbox)).output).toBe('77\n/\n3\n1\n');
      writeFileSync(join(own, 'pids.max'), '78');
      expect(readFileSync('/proc/mounts', 'utf8')).toMatch(/cgroup \/sys\/fs\/cgroup\/pids cgroup rw/);
    } finally {
      rmdirSync(own);
    }
  });

  it('starts the sandbox in a v2 cgroup', async () => {
    // A mount of its own: with or without one on the host, the hierarchy is the same.
    const mount = join(scratch, 'cgroup2');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'cgroup2', 'none', mount]);
    const own = join(mount, 'metactl-native-test');
    mkdirSync(own);
    try {
      const plan = sandboxPlan(['sh', '-c', 'grep ^0: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs | head -1']);
      const step: MountStep = { op: 'cgroup', target: '/sys/fs/cgroup', version: 2, controllers: '', shared: false };
      const cgroup = openSync(own, constants.O_RDONLY | constants.O_DIRECTORY);
      const sandbox = launch(
        { ...plan, root: { ...plan.root, steps: [...rootSteps(), step] } },
        { tasks: [], cgroup, stdio: PIPES },
      );
      expect(readFileSync(`/proc/${sandbox.pid}/cgroup`, 'utf8')).toContain('0::/metactl-native-test\n');
      closeSync(cgroup);
      expect((await collect(sandbox)).output).toBe('0::/\n1\n');
    } finally {
      rmdirSync(own);
      execFileSync('umount', [mount]);
    }
  });
});

describe('device', () => {
  it('fails where the name is taken', async () => {
    const plan = sandboxPlan(['true']);
    const again: MountStep = { op: 'device', target: '/dev/null', major: 1, minor: 3, mode: 0o666, shared: true };
    const steps = [...rootSteps().slice(0, 6), again];
    const sandbox = start({ ...plan, root: { ...plan.root, steps } });
    await expect(sandbox.started).rejects.toMatchObject({ code: 'EEXIST', step: 'make device', path: '/dev/null' });
    await sandbox.ended;
  });
});

it('leaves no mount on the host', async () => {
  const before = readFileSync('/proc/self/mountinfo', 'utf8');
  await inRoot('true', []);
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before);
});
