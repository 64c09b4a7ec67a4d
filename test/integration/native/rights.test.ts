import { closeSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { launch } from '../../../src/host/linux/launch.ts';
import { seccompProgram } from '../../../src/sandbox/seccomp/index.ts';
import { identity, processPlan, sandboxPlan } from '../../fixtures/native/plan.ts';
import { collect, PIPES, run } from '../../fixtures/native/run.ts';

const status = ['grep', '-E', '^(Cap|NoNewPrivs|Seccomp:|Sig(Ign|Blk)|Groups)', '/proc/self/status'];
const parse = (output: string) =>
  Object.fromEntries(
    output
      .trim()
      .split('\n')
      .map((line) => line.split(/:\s*/)),
  );

describe('the daemon', () => {
  it('has no capability, no group but its own, no signal ignored or blocked, and a filter', async () => {
    const process = processPlan(status, { seccomp: 'default', seccompProgram: seccompProgram('x64') });
    const { output } = await run(sandboxPlan(status, { process }));
    const none = '0'.repeat(16);
    expect(parse(output)).toEqual({
      CapInh: none,
      CapPrm: none,
      CapEff: none,
      CapBnd: none,
      CapAmb: none,
      NoNewPrivs: '1',
      Seccomp: '2',
      SigIgn: none,
      SigBlk: none,
      Groups: '',
    });
  });

  it('keeps exactly the capabilities of the plan, PID 1 none of them', async () => {
    const { output } = await run(
      sandboxPlan(['sh', '-c', 'grep -E "^Cap" /proc/self/status; grep CapBnd /proc/1/status'], {
        identity: identity({ capabilities: ['NET_BIND_SERVICE'] }),
      }),
    );
    const own = '0000000000000400';
    expect(output).toBe(
      `CapInh:\t${own}\nCapPrm:\t${own}\nCapEff:\t${own}\nCapBnd:\t${own}\nCapAmb:\t${own}\nCapBnd:\t${'0'.repeat(16)}\n`,
    );
  });

  it('regains nothing as uid 0', async () => {
    const { output } = await run(
      sandboxPlan(['grep', '-E', '^Cap(Prm|Eff|Bnd)', '/proc/self/status'], { identity: identity({ uid: 0, gid: 0 }) }),
    );
    expect(output).toBe(`CapPrm:\t${'0'.repeat(16)}\nCapEff:\t${'0'.repeat(16)}\nCapBnd:\t${'0'.repeat(16)}\n`);
  });

  it('can’t write kernel settings as uid 0 either', async () => {
    const script = 'echo x 2>&1 >/proc/sys/kernel/domainname; grep -c " /proc/sys ro," /proc/self/mountinfo';
    const { output } = await run(sandboxPlan(['sh', '-c', script], { identity: identity({ uid: 0, gid: 0 }) }));
    expect(output).toMatch(/Read-only file system\n1\n$/);
  });

  it('has a session keyring of its own', async () => {
    const { output } = await run({
      ...sandboxPlan(['sh', '-c', 'cat /proc/keys']),
      root: { ...sandboxPlan(['true']).root, masked: [] },
    });
    // Empty, and no other is in sight: not that of who started it.
    const keyrings = output.split('\n').filter((line) => / _ses\b/.test(line));
    expect(keyrings).toEqual([expect.stringMatching(/ keyring +_ses: empty$/)]);
  });

  it('gets only the environment of the plan', async () => {
    const env = { PATH: '/usr/bin:/bin', GREETING: 'hello, wörld' };
    expect((await run(sandboxPlan(['env'], { process: processPlan(['env'], { env }) }))).output).toBe(
      'PATH=/usr/bin:/bin\nGREETING=hello, wörld\n',
    );
  });

  it('is found along the PATH of the plan, inside', async () => {
    const process = processPlan(['true', 'a', ''], { env: { PATH: '/nowhere:/etc/passwd:/usr/bin' } });
    expect((await run(sandboxPlan(['true'], { process }))).ending.code).toBe(0);
  });

  it('may use every CPU', async () => {
    const { output } = await run(sandboxPlan(['nproc']));
    const online = readFileSync('/proc/cpuinfo', 'utf8').match(/^processor/gm)?.length;
    expect(Number(output)).toBe(online);
  });

  it('leads a session of its own', async () => {
    const { output } = await run(sandboxPlan(['sh', '-c', 'cut -d" " -f5,6,7 /proc/$$/stat']));
    expect(output).toBe('2 2 0\n');
  });
});

describe('a network namespace', () => {
  it('that is handed over is where the daemon runs', async () => {
    const path = '/var/tmp/metactl-native-netns';
    writeFileSync(path, '');
    const netns = addon().makeNetns(path);
    try {
      const inode = statSync(path).ino;
      const sandbox = launch(sandboxPlan(['readlink', '/proc/self/ns/net']), { tasks: [], netns, stdio: PIPES });
      expect((await collect(sandbox)).output).toBe(`net:[${inode}]\n`);
    } finally {
      closeSync(netns);
      addon().unmount(path);
      rmSync(path);
    }
  });
});
