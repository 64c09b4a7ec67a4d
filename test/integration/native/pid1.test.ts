import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeInstallation } from '../../fixtures/native/compile.ts';
import { identity, processPlan, sandboxPlan } from '../../fixtures/native/plan.ts';
import { printed, run, start, until } from '../../fixtures/native/run.ts';

const field = (text: string, name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(text)?.[1];

describe('PID 1', () => {
  it('keeps CAP_KILL, five descriptors and nothing of the plan', async () => {
    const sandbox = start(
      sandboxPlan(['sleep', '1000'], {
        process: processPlan(['sleep', '1000'], { env: { PASSWORD: 'hidden-in-here' } }),
      }),
    );
    await sandbox.started;
    const proc = `/proc/${sandbox.pid}`;
    const status = readFileSync(`${proc}/status`, 'utf8');
    const none = '0000000000000000';
    for (const name of ['Uid', 'Gid']) expect(field(status, name)).toBe('0\t0\t0\t0');
    expect(field(status, 'Groups')?.trim()).toBe('');
    for (const name of ['CapInh', 'CapBnd', 'CapAmb']) expect(field(status, name)).toBe(none);
    for (const name of ['CapPrm', 'CapEff']) expect(field(status, name)).toBe('0000000000000020');
    expect([field(status, 'NoNewPrivs'), field(status, 'Seccomp')]).toEqual(['1', '2']);
    const targets = readdirSync(`${proc}/fd`).map((fd) => readlinkSync(`${proc}/fd/${fd}`).replace(/:\[\d+\]/, ''));
    expect(targets.sort()).toEqual(['anon_inode:[signalfd]', 'pipe', 'pipe', 'pipe', 'pipe']);
    const maps = readFileSync(`${proc}/maps`, 'utf8');
    expect(maps).not.toContain('metactl-plan');
    expect(maps.split('\n').filter((line) => /rwx|-wx/.test(line))).toEqual([]);
    expect(readFileSync(`${proc}/environ`, 'utf8')).toBe('');
    expect(readlinkSync(`${proc}/cwd`)).toBe('/');
    expect(readFileSync(`${proc}/cmdline`, 'utf8')).toBe('metactl-init\0someapp/some\0');
    expect(readFileSync(`${proc}/comm`, 'utf8')).toBe('metactl-init\n');
    sandbox.kill();
    await sandbox.ended;
  });

  // With CAP_KILL it has every right that PID 1 has: then only its not being dumpable protects it.
  it.each([[[]], [['KILL']]])(
    'cannot be killed, read or traced from inside, even by uid 0 with %j',
    async (capabilities) => {
      const script =
        'kill -9 1; kill -15 1; for f in maps environ mem exe fd/4 root/etc/passwd; do head -c1 /proc/1/$f 2>&1 >/dev/null | grep -o denied; done; echo alive';
      const { output, ending } = await run(
        sandboxPlan(['sh', '-c', `trap "" TERM; ${script}`], { identity: identity({ uid: 0, gid: 0, capabilities }) }),
      );
      expect(output).toBe(`${'denied\n'.repeat(6)}alive\n`);
      expect(ending.code).toBe(0);
    },
  );

  it('has given up its rights before the first instruction of the daemon', async () => {
    for (let i = 0; i < 20; i++) {
      const { output } = await run(sandboxPlan(['grep', '-E', '^(CapEff|CapBnd|Seccomp):', '/proc/1/status']));
      expect(output).toBe('CapEff:\t0000000000000020\nCapBnd:\t0000000000000000\nSeccomp:\t2\n');
    }
  });

  it('leaves whoever follows a head start, but not for long', async () => {
    const sandbox = start(sandboxPlan(['sleep', '1000']));
    await sandbox.started;
    const state = () => field(readFileSync(`/proc/${sandbox.pid}/status`, 'utf8'), 'State')?.[0];
    const [daemon] = readFileSync(`/proc/${sandbox.pid}/task/${sandbox.pid}/children`, 'utf8').trim().split(' ');
    // Nobody reads meanwhile how the daemon ended.
    const wait = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    process.kill(Number(daemon), 'SIGKILL');
    wait(4);
    expect(state()).toBe('S');
    wait(200);
    expect(state()).toBe('Z');
    expect(await sandbox.ended).toMatchObject({ signal: 9, sandboxDied: false });
  });

  it('reaps orphans', async () => {
    const script =
      'for i in 1 2 3 4 5; do (sleep 0.01 & ); done; sleep 0.2; grep -l "State:.Z" /proc/[0-9]*/status | wc -l';
    expect((await run(sandboxPlan(['sh', '-c', script]))).output).toBe('0\n');
  });

  it('forwards every signal that can be forwarded', async () => {
    const names = [
      'HUP',
      'INT',
      'QUIT',
      'USR1',
      'USR2',
      'TERM',
      'CONT',
      'WINCH',
      'TTIN',
      'TTOU',
      'TSTP',
      'URG',
      'ALRM',
      'PIPE',
    ];
    const traps = names.map((name) => `trap 'echo got ${name}' ${name};`).join(' ');
    const sandbox = start(sandboxPlan(['sh', '-c', `${traps} echo ready; while :; do sleep 0.01; done`]));
    await printed(sandbox, /ready/);
    const { constants } = await import('node:os');
    for (const name of names) {
      const got = printed(sandbox, new RegExp(`got ${name}\n`));
      sandbox.signal(constants.signals[`SIG${name}` as keyof typeof constants.signals]);
      await got;
    }
    sandbox.kill();
    await sandbox.ended;
  });
});

describe('when the supervisor is killed', () => {
  it('nothing that it started lives on', async () => {
    const installation = makeInstallation();
    try {
      const supervisor = spawn(process.execPath, [installation.bundle('supervisor.ts'), 'hold']);
      const [line] = await once(supervisor.stdout, 'data');
      const pids = String(line).trim().split(' ').map(Number);
      expect(pids).toHaveLength(5);
      for (const pid of pids) expect(existsSync(`/proc/${pid}/exe`)).toBe(true);
      supervisor.kill('SIGKILL');
      const isGone = (pid: number) => {
        try {
          return field(readFileSync(`/proc/${pid}/status`, 'utf8'), 'State')?.startsWith('Z') ?? true;
        } catch {
          return true;
        }
      };
      await until(() => pids.every(isGone));
    } finally {
      installation.remove();
    }
  });
});
