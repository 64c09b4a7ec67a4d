import { describe, expect, it } from 'vitest';
import { buildPlan, type PlanInput } from '../../../src/sandbox/build.ts';
import { needsLeasedUid } from '../../../src/sandbox/identity.ts';
import { chooseNetwork } from '../../../src/sandbox/network.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { fakeFacts } from '../../helpers/fake-facts.ts';
import { type FakeSections, fakeConfig } from '../platform/fake-config.ts';

const paths = pathsFor('/');
const facts = fakeFacts({
  paths: { '/srv/myapp': 'directory', '/var/lib/metactl/apps/myapp/state': 'directory' },
  files: { '/etc/resolv.conf': 'nameserver 192.0.2.53\n' },
});

function plan(sections: FakeSections = {}, changes: Partial<PlanInput> = {}, env: Record<string, string> = {}) {
  const config = fakeConfig({ 'daemon.web': {}, ...sections }, env);
  return buildPlan({
    paths,
    config,
    daemon: 'web',
    command: { argv: ['./serve', '80'], env: { FROM_PLATFORM: '1', BOTH: 'platform' }, needs: [] },
    network: chooseNetwork(config, { pool: ['100.64.0.0/16'] }),
    lease: { address: '100.64.3.7', uid: 70001 },
    facts,
    hostLink: 'm-myapp',
    others: [],
    seccompProgram: () => new Uint8Array([1, 2, 3]),
    ...changes,
  });
}

describe('the plan of a start', () => {
  it('runs as the leased uid under the app’s name, without capabilities', () => {
    expect(plan().identity).toEqual({ user: 'myapp', uid: 70001, gid: 70001, groups: [], capabilities: [] });
    expect(needsLeasedUid(fakeConfig({ 'daemon.web': {}, 'daemon.x': { user: 'www-data' } }))).toBe(true);
    expect(needsLeasedUid(fakeConfig({ 'daemon.x': { user: 'www-data' } }))).toBe(false);
  });

  it('allows the system calls that the administrator names, and says where a name is wrong', () => {
    const asked: unknown[] = [];
    const seccompProgram: PlanInput['seccompProgram'] = (arch, options) => {
      asked.push(arch, options);
      return new Uint8Array();
    };
    expect(plan({}, { seccompProgram }).process).not.toHaveProperty('allowSyscalls');
    const sandbox = { 'allow-syscalls': ['keyctl', 'mbind'] };
    expect(plan({ sandbox }, { seccompProgram }).process.allowSyscalls).toEqual(['keyctl', 'mbind']);
    const where = '/n.conf:1: [sandbox] allow-syscalls: ';
    expect(asked).toEqual(['x64', {}, 'x64', { allow: ['keyctl', 'mbind'], where }]);
    const none = { ...sandbox, seccomp: 'none' };
    expect(plan({ sandbox: none }).process).not.toHaveProperty('allowSyscalls');
  });

  it('counts pids from another number for every daemon but the first', () => {
    const sections = { 'daemon.web': {}, 'daemon.job': {} };
    expect(plan(sections)).not.toHaveProperty('firstPid');
    expect(plan(sections, { daemon: 'job' }).firstPid).toBe(1002);
    // Without a PID namespace there is nothing to count.
    expect(plan({ ...sections, sandbox: { enabled: false } }, { daemon: 'job' })).not.toHaveProperty('firstPid');
  });

  it('runs as a configured user and group', () => {
    const { identity } = plan({ 'daemon.web': { user: 'www-data', 'supplementary-groups': ['www-data'] } });
    expect(identity).toMatchObject({ user: 'www-data', uid: 33, gid: 33, groups: [33] });
  });

  it.each([
    [{ user: 'nobody-here' }, '/n.conf:1: [daemon.web] user: there is no user `nobody-here` on this server'],
    [{ group: 'none' }, '/n.conf:1: [daemon.web] group: there is no group `none` on this server'],
    [{ user: 'root' }, '/n.conf:1: [daemon.web] user: `root` is not allowed in a sandbox'],
  ])('refuses %j', (keys, message) => {
    expect(() => plan({ 'daemon.web': keys })).toThrow(expect.objectContaining({ message, exitStatus: 78 }));
  });

  it.each([
    ['SYS_ADMIN', '[sandbox] capabilities: `SYS_ADMIN` is never given to an app'],
    ['NET_RAW', '[sandbox] capabilities: `NET_RAW` is never given to an app'],
    ['FLY', '[sandbox] capabilities: `FLY` is no capability'],
  ])('never gives %s', (name, message) => {
    expect(() => plan({ sandbox: { capabilities: [name] } })).toThrow(message);
  });

  it('reads capabilities with and without CAP_', () => {
    expect(plan({ sandbox: { capabilities: ['cap_net_bind_service', 'IPC_LOCK'] } }).identity.capabilities).toEqual([
      'NET_BIND_SERVICE',
      'IPC_LOCK',
    ]);
  });

  it('builds the environment from nothing; the configuration wins over the platform', () => {
    const { env } = plan({}, {}, { BOTH: 'config', PATH: '/app/bin' }).process;
    expect(env).toEqual({
      PATH: '/app/bin',
      HOME: '/var/lib/metactl/apps/myapp/state',
      USER: 'myapp',
      LOGNAME: 'myapp',
      SHELL: '/bin/sh',
      LANG: 'C.UTF-8',
      STATE_DIRECTORY: '/var/lib/metactl/apps/myapp/state',
      LOGS_DIRECTORY: '/var/lib/metactl/apps/myapp/state/log',
      FROM_PLATFORM: '1',
      BOTH: 'config',
    });
  });

  it('finds a relative program below the app directory', () => {
    expect(plan().process.argv).toEqual(['/srv/myapp/serve', '80']);
    expect(plan({}, { command: { argv: ['java'], env: {}, needs: [] } }).process.argv).toEqual(['java']);
    expect(plan().process.workingDirectory).toBe('/srv/myapp');
  });

  it('sets all sixteen limits, nofile to systemd’s unless told', () => {
    expect(Object.keys(plan().process.rlimits)).toHaveLength(16);
    expect(plan().process.rlimits.nofile).toEqual([1024, 524288]);
    const { rlimits } = plan({ 'daemon.web': { 'limit-nofile': '4096:8192', 'limit-core': 'infinity' } }).process;
    expect(rlimits.nofile).toEqual([4096, 8192]);
    expect(rlimits.core).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });

  it('refuses more open files than this kernel gives to anybody', () => {
    const kernel = { facts: fakeFacts({ files: { '/proc/sys/fs/nr_open': '1048576\n' } }) };
    const nofile = (text: string) => () =>
      plan({ 'daemon.web': { 'limit-nofile': text } }, kernel).process.rlimits.nofile;
    expect(nofile('1024:1048576')()).toEqual([1024, 1_048_576]);
    for (const text of ['1048577', '1024:99999999', 'infinity']) {
      expect(nofile(text)).toThrow(
        expect.objectContaining({
          code: 'METACTL_LIMIT_TOO_HIGH',
          message: `/n.conf:1: [daemon.web] limit-nofile: found \`${text}\`, expected at most 1048576, the sysctl fs.nr_open of this server`,
          hint: 'lower it, or raise the sysctl',
          exitStatus: 78,
        }),
      );
    }
  });

  it('hides and binds on a new server what the first start will make', () => {
    const state = '/srv/node/var/lib/metactl/apps/myapp/state';
    const config = { ...fakeConfig({ 'daemon.web': {} }), stateDirectory: state };
    const { steps } = plan({}, { paths: pathsFor('/srv/node'), config }).root;
    const covered = steps.filter(({ op }) => op === 'tmpfs').map(({ target }) => target);
    expect(covered).toEqual(
      expect.arrayContaining(['/srv/node/var/lib/metactl', '/srv/node/run/metactl', '/var/lib/metactl']),
    );
    expect(steps).toContainEqual(expect.objectContaining({ op: 'bind', source: state, target: state }));
    expect(steps).toContainEqual(expect.objectContaining({ op: 'mkdir', target: state }));
  });

  it('plans the network by the lease and the mode', () => {
    expect(plan().network).toEqual({
      mode: 'routed',
      netns: 'metactl-myapp',
      hostLink: 'm-myapp',
      address: '100.64.3.7',
      alias: 'metactl:myapp',
    });
    expect(plan({ 'sandbox.net': { mode: 'none' } }).network).toEqual({ mode: 'none' });
    const moved = plan({}, { paths: pathsFor('/srv/other') }).network;
    expect(moved).toMatchObject({ netns: expect.stringMatching(/^metactl-[0-9a-f]{4}-myapp$/) });
  });

  it('passes limits on; infinity is no limit', () => {
    const limits = { 'memory-max': 268435456, 'cpu-quota': 1.5, 'tasks-max': Number.POSITIVE_INFINITY };
    expect(plan({ 'daemon.web': limits }).limits).toEqual({ memoryMax: 268435456, cpuQuota: 1.5 });
  });

  it('makes no root and no network for plain supervision', () => {
    const { sandboxed, root, network } = plan({ sandbox: { enabled: false } });
    expect({ sandboxed, steps: root.steps, network }).toEqual({
      sandboxed: false,
      steps: [],
      network: { mode: 'none' },
    });
  });

  it('installs the filter unless the node file says none', () => {
    expect(plan().process).toMatchObject({ seccomp: 'default', seccompProgram: new Uint8Array([1, 2, 3]) });
    expect(plan({ sandbox: { seccomp: 'none' } }).process).toMatchObject({
      seccomp: 'none',
      seccompProgram: new Uint8Array(),
    });
  });

  it('without root is nobody but the caller', () => {
    const mortal = { ...facts, self: { name: 'alice', uid: 1000, gid: 1000, groups: [1000, 27] } };
    const lease = { address: undefined, uid: undefined };
    const sections = { sandbox: { enabled: false } };
    expect(plan(sections, { facts: mortal, lease }).identity).toMatchObject({
      user: 'alice',
      uid: 1000,
      groups: [1000, 27],
    });
    expect(() => plan({ ...sections, 'daemon.web': { user: 'www-data' } }, { facts: mortal, lease })).toThrow(
      expect.objectContaining({ exitStatus: 77 }),
    );
  });
});
