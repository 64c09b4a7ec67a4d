import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { launch } from '../../../src/host/linux/launch.ts';
import type { SandboxPlan } from '../../../src/sandbox/plan.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { identity, processPlan, rootSteps, sandboxPlan, UID } from '../../fixtures/native/plan.ts';
import { PIPES, run, start } from '../../fixtures/native/run.ts';

const sh = (script: string, changes: Partial<SandboxPlan> = {}) => sandboxPlan(['sh', '-c', script], changes);

describe('launch', () => {
  it('gives the exit status and what the daemon used', async () => {
    const { ending } = await run(sh('exit 7'));
    expect(ending).toMatchObject({
      code: 7,
      signal: undefined,
      sandboxDied: false,
      oomKilled: false,
      coreDumped: false,
    });
    expect(ending.maxRss).toBeGreaterThan(100);
  });

  it('gives the signal that ended the daemon', async () => {
    expect((await run(sh('kill -SEGV $$'))).ending).toMatchObject({ code: undefined, signal: 11 });
  });

  it('builds the root as planned', async () => {
    const { output } = await run(
      sh(
        'hostname; cat /etc/hostname; stat -c "%t:%T %a" /dev/null; stat -c "%a %u" /tmp; ls /root; ls /sys/firmware; cat /proc/keys',
      ),
    );
    expect(output).toBe(`someapp\ninside\n1:3 666\n1777 ${UID}\n`);
  });

  it('counts pids from where the plan says, and lets nobody inside change that', async () => {
    // One stream: two pipes have no order.
    const script = 'exec 2>&1; echo $$; sh -c "echo \\$\\$"; echo 7 >/proc/sys/kernel/ns_last_pid || echo refused';
    expect((await run(sh(script))).output).toMatch(/^2\n3\n.*Read-only file system\nrefused\n$/);
    expect((await run(sh(script, { firstPid: 1002 }))).output).toMatch(/^1002\n1003\n/);
    // Beyond the kernel's largest: its own choice.
    expect((await run(sh(script, { firstPid: 0xffff_ffff }))).output).toMatch(/^2\n3\n/);
  });

  it('leaves nothing writable but what is meant to be', async () => {
    const { output } = await run(
      sh(
        'for d in / /etc /dev /run /root /proc/sys /sys; do touch $d/x 2>/dev/null && echo $d; done; touch /tmp/x /dev/shm/x && echo ok',
      ),
    );
    expect(output).toBe('ok\n');
  });

  it('hands over exactly three descriptors, of its own /dev/null', async () => {
    const { output } = await run(sh('ls /proc/$$/fd; stat -L -c %d /proc/self/fd/0 /dev/null | uniq | wc -l'));
    expect(output).toBe('0\n1\n2\n1\n');
  });

  it('makes /dev/stdout and /dev/stderr open for the app', async () => {
    expect((await run(sh('echo one >/dev/stdout; echo two >/dev/stderr'))).output).toBe('one\ntwo\n');
  });

  it('has nothing but loopback without a network, and that is up', async () => {
    const { output } = await run(sh('cat /proc/net/dev | tail -n +3 | cut -d: -f1; cat /sys/class/net/lo/flags'));
    expect(output.trim()).toBe('lo\n0x9');
  });

  it('runs as the identity with its limits', async () => {
    const plan = sh('id -u; id -g; id -G; umask; ulimit -Sn; ulimit -Hn; nice; cat /proc/self/oom_score_adj', {
      identity: identity({ groups: [UID + 1, UID + 2] }),
    });
    const { output } = await run({ ...plan, process: { ...plan.process, umask: 0o027, nice: 5, oomScoreAdj: 100 } });
    expect(output).toBe(`${UID}\n${UID}\n${UID} ${UID + 1} ${UID + 2}\n0027\n1024\n4096\n5\n100\n`);
  });

  it('starts the same plan again', async () => {
    const plan = sh('echo hello');
    expect((await run(plan)).output).toBe('hello\n');
    expect((await run(plan)).output).toBe('hello\n');
  });

  it('forwards signals', async () => {
    const sandbox = start(sh('trap "echo usr1; exit 3" USR1; echo ready; while :; do sleep 0.05; done'));
    const output: string[] = [];
    sandbox.stdout!.on('data', (data) => output.push(String(data)));
    await once(sandbox.stdout!, 'data');
    sandbox.signal(10);
    await once(sandbox.stdout!, 'close');
    expect(await sandbox.ended).toMatchObject({ code: 3 });
    expect(output.join('')).toBe('ready\nusr1\n');
  });

  it('ends everything with the daemon', async () => {
    const { output, ending } = await run(sh('sleep 1000 & setsid sleep 1000 & echo done'));
    expect(output).toBe('done\n');
    expect(ending.code).toBe(0);
  });

  it('tells that the sandbox died when PID 1 was killed', async () => {
    const sandbox = start(sandboxPlan(['sleep', '1000']));
    await sandbox.started;
    sandbox.kill();
    expect(await sandbox.ended).toMatchObject({ code: undefined, signal: 9, sandboxDied: true });
  });
});

describe('failures name step, path and errno', () => {
  async function failure(plan: SandboxPlan): Promise<MetactlError> {
    const sandbox = start(plan);
    const error = await sandbox.started.then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(MetactlError);
    const ending = await sandbox.ended;
    expect(ending).toMatchObject({ code: error.exitStatus, sandboxDied: false });
    return error;
  }

  it('of a missing program: 127', async () => {
    expect(await failure(sandboxPlan(['/usr/bin/nothing-here']))).toMatchObject({
      code: 'ENOENT',
      step: 'execute',
      syscall: 'execve',
      path: '/usr/bin/nothing-here',
      exitStatus: 127,
      message: 'execute `/usr/bin/nothing-here`: no such file or directory (execve)',
    });
    expect(await failure(sandboxPlan(['nothing-here']))).toMatchObject({ path: 'nothing-here', exitStatus: 127 });
  });

  it('of a file that is no program: 126', async () => {
    expect(await failure(sandboxPlan(['/etc/passwd']))).toMatchObject({ code: 'EACCES', exitStatus: 126 });
  });

  it('of a program below a mount that was left out', async () => {
    const plan = sandboxPlan(['/srv/vendor/tool']);
    const leftOut = [{ path: '/srv/vendor', fsType: 'nfs4', source: 'filer:/vendor' }];
    const error = await failure({ ...plan, root: { ...plan.root, leftOut } });
    expect(error.hint).toContain('`/srv/vendor` is a file system of its own on this server (nfs4, filer:/vendor)');
    expect(error.hint).toContain('[sandbox.mounts]');
  });

  it('of a working directory that is not there: 125', async () => {
    const plan = sandboxPlan(['true'], { process: processPlan(['true'], { workingDirectory: '/nowhere' }) });
    expect(await failure(plan)).toMatchObject({
      code: 'ENOENT',
      step: 'enter working directory',
      path: '/nowhere',
      exitStatus: 125,
    });
  });

  it('of a mount point that is missing or a symlink', async () => {
    const plan = sandboxPlan(['true']);
    const at = (target: string): SandboxPlan => ({
      ...plan,
      root: {
        ...plan.root,
        steps: [...rootSteps(), { op: 'bind', source: '/usr', target, recursive: false, shared: true }],
      },
    });
    expect(await failure(at('/nowhere'))).toMatchObject({ code: 'ENOENT', step: 'bind on', path: '/nowhere' });
    expect(await failure(at('/dev/fd'))).toMatchObject({ code: 'ELOOP', step: 'bind on', path: '/dev/fd' });
    expect(await failure(at('/dev/fd/x'))).toMatchObject({ code: 'ELOOP', step: 'bind on', path: '/dev/fd/x' });
  });

  it('of a namespace that has not been made', () => {
    const network = { mode: 'routed', netns: 'x', hostLink: 'x', address: '10.0.0.1', alias: 'x' } as const;
    expect(() => start(sandboxPlan(['true'], { network }))).toThrow(
      expect.objectContaining({ code: 'METACTL_NO_NETWORK' }),
    );
  });

  it('of a descriptor that is no tasks file', () => {
    expect(() => launch(sandboxPlan(['true']), { tasks: [9999], stdio: PIPES })).toThrow(
      expect.objectContaining({ code: 'EBADF', step: 'enter cgroup', syscall: 'write' }),
    );
  });
});
