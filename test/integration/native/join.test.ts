import { closeSync, existsSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { readIdentity, verifyIdentity } from '../../../src/host/linux/identity.ts';
import { join } from '../../../src/host/linux/join.ts';
import { openTerminal } from '../../../src/host/linux/pty.ts';
import type { LaunchedSandbox } from '../../../src/host/linux/watch.ts';
import type { ProcessPlan } from '../../../src/sandbox/plan.ts';
import { identity, processPlan, sandboxPlan, UID } from '../../fixtures/native/plan.ts';
import { collect, PIPES, start, until } from '../../fixtures/native/run.ts';

let sandbox: LaunchedSandbox;
let pidfd: number;

beforeEach(async () => {
  sandbox = start(sandboxPlan(['sleep', '1000']));
  await sandbox.started;
  pidfd = addon().pidfdOpen(sandbox.pid);
});

afterEach(async () => {
  sandbox.kill();
  await sandbox.ended;
  closeSync(pidfd);
});

const enter = (argv: string[], changes: Partial<ProcessPlan> = {}) =>
  join({ pidfd, tasks: [] }, processPlan(argv, changes), identity(), PIPES);

function isZombie(pid: number): boolean {
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

describe('join', () => {
  it('runs in all namespaces of the sandbox, with the same rights', async () => {
    const script =
      'hostname; id -u; cat /etc/hostname; stat -L -c %d /proc/self/fd/0 /dev/null | uniq | wc -l; ps -e -o comm=; grep -E "^(Cap|NoNew|Groups)" /proc/self/status; cat /proc/self/oom_score_adj';
    const { output, ending } = await collect(enter(['sh', '-c', `${script}; exit 9`]));
    expect(ending).toMatchObject({ code: 9, sandboxDied: false });
    expect(output).toMatch(/^someapp\n94711\ninside\n1\nmetactl-init\nsleep\nsh\nps\n/);
    expect(output).toMatch(/Groups:\s*\n(Cap(Inh|Prm|Eff|Bnd|Amb):\s+0{16}\n){5}NoNewPrivs:\s+1\n0\n$/);
    for (const name of ['mnt', 'pid', 'ipc', 'uts', 'net', 'cgroup']) {
      const own = readlinkSync(`/proc/self/ns/${name}`);
      const { output: inside } = await collect(enter(['readlink', `/proc/self/ns/${name}`]));
      expect(inside.trim()).toBe(readlinkSync(`/proc/${sandbox.pid}/ns/${name}`));
      expect(inside.trim()).not.toBe(own);
    }
  });

  it('passes signals on and gives the signal that ended the process', async () => {
    const process = enter(['sleep', '1000']);
    await process.started;
    process.signal(15);
    expect(await process.ended).toMatchObject({ code: undefined, signal: 15, sandboxDied: false });
  });

  it('keeps nothing but CAP_KILL in the process that waits', async () => {
    const process = enter(['sleep', '1000']);
    await process.started;
    const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
    expect(status).toMatch(/CapPrm:\s+0000000000000020\nCapEff:\s+0000000000000020\nCapBnd:\s+0000000000000000/);
    expect(status).toMatch(/NoNewPrivs:\s+1\nSeccomp:\s+2/);
    process.kill();
    expect(await process.ended).toMatchObject({ signal: 9, sandboxDied: false });
  });

  it('dies when the waiting process is killed, and with the sandbox', async () => {
    const first = enter(['sleep', '1001']);
    await first.started;
    expect(readlinkSync(`/proc/${first.daemonPid}/exe`)).toMatch(/sleep$/);
    process.kill(first.pid, 'SIGKILL');
    expect(await first.ended).toMatchObject({ signal: 9, sandboxDied: true });
    // Reaping it is up to the host's init.
    await until(() => !existsSync(`/proc/${first.daemonPid}/exe`) || isZombie(first.daemonPid!));
    const second = enter(['sleep', '1002']);
    await second.started;
    sandbox.kill();
    expect(await second.ended).toMatchObject({ signal: 9, sandboxDied: false });
  });

  it('reports a missing program', async () => {
    const process = enter(['/nowhere']);
    await expect(process.started).rejects.toMatchObject({ code: 'ENOENT', step: 'execute', exitStatus: 127 });
    expect(await process.ended).toMatchObject({ code: 127 });
  });

  it('fails where the sandbox is gone', async () => {
    sandbox.kill();
    await sandbox.ended;
    await expect(enter(['true']).started).rejects.toMatchObject({ code: 'ESRCH', step: 'enter sandbox' });
  });

  it('makes a terminal the controlling one, with job control, owned by the user', async () => {
    const terminal = openTerminal({ rows: 30, columns: 90 });
    let output = '';
    terminal.read((bytes) => (output += bytes));
    const process = join(
      { pidfd, tasks: [] },
      processPlan(
        [
          'sh',
          '-c',
          'stty size; set -m; (exit 4); echo status $?; stat -L -c "%u" /proc/self/fd/0; read x; echo got $x',
        ],
        {},
      ),
      identity(),
      { stdin: terminal.slave, stdout: terminal.slave, stderr: terminal.slave },
    );
    // Not earlier: the terminal echoes it.
    await until(() => output.includes(`${UID}`));
    terminal.write('hello\n');
    expect(await process.ended).toMatchObject({ code: 0 });
    terminal.close();
    expect(output.replaceAll('\r', '')).toContain(`30 90\nstatus 4\n${UID}\nhello\ngot hello\n`);
    expect(output).not.toContain("can't access tty");
  });

  it('interrupts by the terminal and follows its size', async () => {
    const terminal = openTerminal({ rows: 30, columns: 90 });
    let output = '';
    terminal.read((bytes) => (output += bytes));
    const process = join(
      { pidfd, tasks: [] },
      processPlan(['sh', '-c', 'trap "stty size" WINCH; echo ready; while :; do sleep 0.02; done']),
      identity(),
      { stdin: terminal.slave, stdout: terminal.slave, stderr: terminal.slave },
    );
    await until(() => output.includes('ready'));
    terminal.resize({ rows: 50, columns: 132 });
    await until(() => output.includes('50 132'));
    terminal.write('\x03');
    expect(await process.ended).toMatchObject({ signal: 2 });
    terminal.close();
  });
});

describe('identity', () => {
  it('is verified behind the pidfd', () => {
    const record = readIdentity(sandbox.pid)!;
    expect(record).toMatchObject({ pid: sandbox.pid });
    expect(verifyIdentity(pidfd, record)).toBe(true);
    expect(verifyIdentity(pidfd, { ...record, startTime: '1' })).toBe(false);
    expect(verifyIdentity(pidfd, { ...record, bootId: 'other' })).toBe(false);
    expect(verifyIdentity(pidfd, { ...record, pidNamespace: '1' })).toBe(false);
    expect(verifyIdentity(pidfd, { ...record, pid: process.pid })).toBe(false);
    expect(verifyIdentity(pidfd, { ...readIdentity(process.pid)!, pid: record.pid })).toBe(false);
  });

  it('is none once the process is gone', async () => {
    const record = readIdentity(sandbox.pid)!;
    sandbox.kill();
    await sandbox.ended;
    expect(readIdentity(sandbox.pid)).toBeUndefined();
    expect(verifyIdentity(pidfd, record)).toBe(false);
  });
});
