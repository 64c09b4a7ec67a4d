import { describe, expect, it } from 'vitest';
import type { SandboxPlan } from '../../../src/sandbox/plan.ts';
import { type Entry, planEntry } from '../../../src/supervisor/enter.ts';

const plan = {
  identity: { user: 'web', uid: 70001, gid: 70001, groups: [], capabilities: ['NET_BIND_SERVICE'] },
  process: {
    argv: ['node', 'server.js'],
    env: { PATH: '/app/evil', LD_PRELOAD: '/app/evil.so', HOME: '/state' },
    workingDirectory: '/app',
    umask: 0o077,
    seccomp: 'default',
  },
} as unknown as SandboxPlan;
const entry = (changes: Partial<Entry> = {}): Entry => ({
  argv: undefined,
  asRoot: false,
  term: 'xterm',
  ...changes,
});

describe('entering a sandbox', () => {
  it('is the daemon in everything but the command', () => {
    const { process, identity } = planEntry(plan, entry({ argv: ['id'] }), true);
    expect(identity).toEqual(plan.identity);
    expect(process).toMatchObject({ argv: ['id'], workingDirectory: '/app', seccomp: 'default' });
    expect(process.env).toEqual({ ...plan.process.env, TERM: 'xterm' });
  });

  it('as root takes nothing from the app: no PATH, no environment, no start-up files', () => {
    const { process, identity } = planEntry(plan, entry({ asRoot: true }), true);
    expect(process.argv).toEqual(['/bin/bash', '--noprofile', '--norc']);
    expect(process.env).toEqual({
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/',
      USER: 'root',
      LOGNAME: 'root',
      SHELL: '/bin/sh',
      TERM: 'xterm',
    });
    expect(process).toMatchObject({ workingDirectory: '/', umask: 0o022, seccomp: 'default' });
    expect(identity).toMatchObject({ uid: 0, gid: 0, groups: [] });
    expect([...identity.capabilities].sort()).toEqual(['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID']);
  });

  it('is content with sh, and with no terminal', () => {
    expect(planEntry(plan, entry(), false).process.argv).toEqual(['/bin/sh']);
    expect(planEntry(plan, entry({ term: 'x\x1b[31m' }), false).process.env).not.toHaveProperty('TERM');
  });
});
