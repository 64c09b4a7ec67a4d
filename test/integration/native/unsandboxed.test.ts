import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeInstallation } from '../../fixtures/native/compile.ts';
import { sandboxPlan, UID } from '../../fixtures/native/plan.ts';
import { printed, run, start, until } from '../../fixtures/native/run.ts';

const plan = (script: string) => sandboxPlan(['sh', '-c', script], { sandboxed: false });

/** Prints the pids of an orphan, and of an orphan of a session of its own. */
const ORPHANS = 'sleep 1000 & a=$!; b=$(setsid sh -c "sleep 1000 >/dev/null & echo \\$!"); echo pids $a $b;';

function isGone(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/status`)) return true;
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

describe('without a sandbox', () => {
  it('stays in the host’s namespaces, with credentials, limits and no_new_privs', async () => {
    const { output, ending } = await run(
      plan(
        'id -u; ulimit -Sn; grep -E "^(CapBnd|NoNewPrivs)" /proc/self/status; for n in mnt pid net uts; do readlink /proc/self/ns/$n; done; exit 5',
      ),
    );
    const namespaces = ['mnt', 'pid', 'net', 'uts'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
    expect(output).toBe(`${UID}\n1024\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n${namespaces.join('\n')}\n`);
    expect(ending).toMatchObject({ code: 5, sandboxDied: false });
  });

  it('needs no root where nothing but the own user is asked for', () => {
    const installation = makeInstallation();
    try {
      chmodSync(installation.directory, 0o755);
      const script = 'id -u; ulimit -n; grep NoNewPrivs /proc/self/status; sleep 1000 & exit 6';
      const as = ['--reuid', `${UID}`, '--regid', `${UID}`, '--clear-groups', process.execPath];
      const output = execFileSync('setpriv', [...as, installation.bundle('supervisor.ts'), 'plain', script], {
        encoding: 'utf8',
      });
      expect(output).toMatch(new RegExp(`^${UID}\\n256\\nNoNewPrivs:\\t1\\n\\{.*"code":6`));
    } finally {
      installation.remove();
    }
  });

  it('ends what the daemon leaves behind', async () => {
    const { output } = await run(plan(`${ORPHANS} exec >/dev/null 2>&1`));
    const pids = output.match(/\d+/g)!.map(Number);
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(isGone(pid)).toBe(true);
  });

  it('ends everything on kill', async () => {
    const sandbox = start(plan(`${ORPHANS} sleep 1000`));
    const [, ...pids] = await printed(sandbox, /pids (\d+) (\d+)/);
    expect(pids.some((pid) => isGone(Number(pid)))).toBe(false);
    sandbox.kill();
    expect(await sandbox.ended).toMatchObject({ signal: 9, sandboxDied: false });
    for (const pid of [...pids, sandbox.daemonPid]) expect(isGone(Number(pid))).toBe(true);
  });

  it('does not let the daemon outlive a killed metactl-init', async () => {
    const sandbox = start(sandboxPlan(['sleep', '1000'], { sandboxed: false }));
    await sandbox.started;
    expect(readlinkSync(`/proc/${sandbox.daemonPid}/exe`)).toMatch(/sleep$/);
    process.kill(sandbox.pid, 'SIGKILL');
    expect(await sandbox.ended).toMatchObject({ signal: 9, sandboxDied: true });
    await until(() => isGone(sandbox.daemonPid!));
  });
});
