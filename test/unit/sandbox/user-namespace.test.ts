import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../../src/sandbox/build.ts';
import type { MountStep } from '../../../src/sandbox/plan.ts';
import { directoryOwner, diskMap, diskOwner, refuseBlockOwner } from '../../../src/sandbox/user-namespace.ts';
import { BLOCK_SIZE, hostIds } from '../../../src/util/ids.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { type FakeMachine, fakeFacts } from '../../helpers/fake-facts.ts';
import { type FakeSections, fakeConfig } from '../platform/fake-config.ts';

const FIRST = 589_824;
const LAST = FIRST + BLOCK_SIZE - 1;
const STATE = '/var/lib/metactl/apps/myapp/state';
const RELEASE = '/srv/myapp';
const USERS: Record<string, number> = { root: 0, 'www-data': 33, dev: 1000, giant: 70_000 };

function plan(sections: FakeSections = {}, machine: FakeMachine = {}, daemon = 'web') {
  const facts = {
    ...fakeFacts({ paths: { [RELEASE]: 'directory', [STATE]: 'directory' }, ...machine }),
    user: (name: string) => (name in USERS ? { name, uid: USERS[name]!, gid: USERS[name]! } : undefined),
    group: (name: string) => (name in USERS ? { gid: USERS[name]! } : undefined),
  };
  return buildPlan({
    paths: pathsFor('/'),
    config: fakeConfig({ 'daemon.web': {}, ...sections, sandbox: { 'user-namespace': true, ...sections.sandbox } }),
    daemon,
    command: { argv: ['./serve'], env: {}, needs: [] },
    network: { mode: 'none', ipv6: false },
    lease: { address: undefined, uid: 70_001, ids: FIRST },
    facts,
    others: [],
    hostLink: 'm-myapp',
    seccompProgram: () => new Uint8Array(),
  });
}

const owned = (owner: number, release = 0): FakeMachine => ({ owners: { [STATE]: owner, [RELEASE]: release } });
const bindOf = (steps: readonly MountStep[], target: string) =>
  steps.find((step) => step.op === 'bind' && step.target === target);

describe('a plan with a user namespace', () => {
  it('makes the app’s own user 1000 inside, whose files on disk keep their owner', () => {
    const made = plan({}, owned(70_001));
    expect(made.identity).toEqual({ user: 'myapp', uid: 1000, gid: 1000, groups: [], capabilities: [] });
    const ranges = [
      { from: FIRST, to: FIRST, count: 1000 },
      { from: 70_001, to: FIRST + 1000, count: 1 },
      { from: FIRST + 1001, to: FIRST + 1001, count: BLOCK_SIZE - 1001 },
    ];
    expect(made.userNamespace).toEqual({
      first: FIRST,
      uids: ranges,
      gids: ranges,
      stateOwner: { uid: 70_001, gid: 70_001 },
    });
    expect(bindOf(made.root.steps, STATE)).toMatchObject({ idmapped: true });
    expect(bindOf(made.root.steps, RELEASE)).not.toHaveProperty('idmapped');
    expect(diskOwner(made.identity, made.userNamespace)).toEqual({ uid: 70_001, gid: 70_001 });
    expect(hostIds(made.identity, FIRST)).toEqual({ uid: FIRST + 1000, gid: FIRST + 1000 });
  });

  it('gives the app’s own user the next number where another user of the app has 1000', () => {
    const sections = { 'daemon.web': {}, 'daemon.job': { user: 'dev' } };
    expect(plan(sections, owned(70_001)).identity).toMatchObject({ uid: 1001, gid: 1001 });
    const job = plan(sections, owned(70_001), 'job');
    expect(job.identity).toMatchObject({ user: 'dev', uid: 1000, gid: 1000 });
    expect(diskOwner(job.identity, job.userNamespace)).toEqual({ uid: 1000, gid: 1000 });
  });

  it('names its users in passwd and group as they are inside, and gives terminals to tty of the namespace', () => {
    const { steps } = plan({ 'daemon.web': {}, 'daemon.job': { user: 'www-data' } }, owned(70_001)).root;
    const passwd = steps.find((step) => step.op === 'file' && step.target.endsWith('/passwd'));
    expect(passwd).toMatchObject({ content: expect.stringContaining('myapp:x:1000:1000:') });
    expect(passwd).toMatchObject({ content: expect.stringContaining('www-data:x:33:33:') });
    expect(steps.find((step) => step.op === 'devpts')).toMatchObject({ gid: FIRST + 5 });
  });

  it('lets root in, and stores what it writes as an id of the block', () => {
    const made = plan({ 'daemon.web': { user: 'root', 'supplementary-groups': ['root'] } }, owned(FIRST));
    expect(made.identity).toMatchObject({ uid: 0, gid: 0, groups: [0] });
    expect(made.userNamespace?.uids).toEqual([{ from: FIRST, to: FIRST, count: BLOCK_SIZE }]);
    expect(diskOwner(made.identity, made.userNamespace)).toEqual({ uid: FIRST, gid: FIRST });
    expect(bindOf(made.root.steps, STATE)).not.toHaveProperty('idmapped');
  });

  it('maps groups as it maps users', () => {
    const made = plan({ 'daemon.web': { group: 'dev', 'supplementary-groups': ['www-data'] } }, owned(70_001));
    expect(made.identity).toMatchObject({ uid: 1001, gid: 1000, groups: [33] });
    expect(made.userNamespace?.gids.filter(({ from, to }) => from !== to)).toEqual([
      { from: 33, to: FIRST + 33, count: 1 },
      { from: 1000, to: FIRST + 1000, count: 1 },
    ]);
  });

  it('needs no idmapped mount for a state directory of the block, and one for a release of a user of the app', () => {
    const made = plan({}, owned(FIRST + 1000, 70_001));
    expect(bindOf(made.root.steps, STATE)).not.toHaveProperty('idmapped');
    expect(bindOf(made.root.steps, RELEASE)).toMatchObject({ idmapped: true, readOnly: true });
  });

  it('plans an idmapped mount for a state directory that is not there yet', () => {
    const made = plan({}, { paths: { [RELEASE]: 'directory' } });
    expect(bindOf(made.root.steps, STATE)).toMatchObject({ idmapped: true });
  });

  it('does without idmapped mounts on older kernels: the state is made for ids of the block', () => {
    const old = { paths: { [RELEASE]: 'directory' }, idmapped: false } as const;
    const made = plan({}, old);
    expect(made.root.steps.filter((step) => step.op === 'bind' && step.idmapped)).toEqual([]);
    expect(diskOwner(made.identity, made.userNamespace)).toEqual({ uid: FIRST + 1000, gid: FIRST + 1000 });
    expect(() => plan({}, { ...owned(70_001), idmapped: false })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(`chown -R ${FIRST + 1000}:${FIRST + 1000}`) }),
    );
  });

  it('has none without a sandbox, and refuses root there', () => {
    const sandbox = { enabled: false };
    expect(plan({ sandbox }).userNamespace).toBeUndefined();
    expect(plan({ sandbox }).identity.uid).toBe(70_001);
    expect(() => plan({ sandbox, 'daemon.web': { user: 'root' } })).toThrow(
      '/n.conf:1: [daemon.web] user: `root` is not allowed in a sandbox',
    );
  });

  it.each([
    [{ user: 'giant' }, '[daemon.web] user: `giant` is user 70000, and a user namespace has only 0 to 65535'],
    [{ group: 'giant' }, '[daemon.web] group: `giant` is group 70000, and a user namespace has only 0 to 65535'],
    [
      { 'supplementary-groups': ['giant'] },
      '[daemon.web] supplementary-groups: `giant` is group 70000, and a user namespace has only 0 to 65535',
    ],
  ])('refuses what it has no id for: %j', (keys, message) => {
    expect(() => plan({ 'daemon.web': keys })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message),
        code: 'METACTL_ID_NOT_MAPPED',
        exitStatus: 78,
      }),
    );
  });

  it.each([0, 33])('refuses a state directory of user %i: nobody inside could write there', (uid) => {
    expect(() => plan({}, owned(uid))).toThrow(
      expect.objectContaining({
        message: `the state directory ${STATE} belongs to user ${uid}, which is none of the app's in its user namespace`,
        hint: `give it to the app (chown -R 70001:70001 ${STATE}), or set [sandbox] user-namespace = no`,
        code: 'METACTL_STATE_OWNER',
        exitStatus: 78,
      }),
    );
  });
});

describe('the map of idmapped mounts', () => {
  const ids = fc.uniqueArray(
    fc.tuple(fc.integer({ min: 1, max: BLOCK_SIZE - 1 }), fc.integer({ min: 1, max: 99_999 })),
    {
      maxLength: 40,
      selector: ([inside]) => inside,
    },
  );
  const pairs = ids.map((list) => new Map(list.filter(([, disk], at) => list.findIndex(([, d]) => d === disk) === at)));

  it('covers the block exactly once, gives no id of the disk twice and never the host’s root', () =>
    fc.assert(
      fc.property(pairs, (map) => {
        const ranges = diskMap(FIRST, map);
        const to = ranges.flatMap((range) => [range.to, range.to + range.count - 1]);
        expect(to).toEqual([...to].sort((a, b) => a - b));
        expect(ranges.reduce((sum, { count }) => sum + count, 0)).toBe(BLOCK_SIZE);
        expect([to[0], to.at(-1)]).toEqual([FIRST, LAST]);
        const from = ranges
          .map((range) => [range.from, range.from + range.count - 1] as const)
          .sort(([a], [b]) => a - b);
        from.forEach(([first], at) => {
          expect(first).toBeGreaterThan(at === 0 ? 0 : from[at - 1]![1]);
        });
      }),
    ));

  it('leads back: what an id writes belongs to what is shown as it', () =>
    fc.assert(
      fc.property(pairs, fc.integer({ min: 0, max: BLOCK_SIZE - 1 }), (map, inside) => {
        const ranges = diskMap(FIRST, map);
        const namespace = { first: FIRST, uids: ranges, gids: ranges };
        const { uid } = diskOwner({ uid: inside, gid: inside }, namespace);
        expect(uid).toBe(map.get(inside) ?? FIRST + inside);
        expect(directoryOwner(uid, namespace)).toBe(map.has(inside) ? 'mapped' : 'block');
      }),
    ));
});

describe('the state of an app that has no user namespace any more', () => {
  const owner = { user: 'myapp', uid: 70_001, gid: 70_001 };

  it('is refused where it is of its block', () => {
    expect(() => refuseBlockOwner(STATE, FIRST + 33, FIRST, owner)).toThrow(
      expect.objectContaining({
        message: `the state directory ${STATE} belongs to 33 of the app's user namespace, which is switched off: myapp can't read it`,
        hint: `give it to the app (chown -R 70001:70001 ${STATE}), or set [sandbox] user-namespace = yes again`,
        code: 'METACTL_STATE_OWNER',
        exitStatus: 78,
      }),
    );
  });

  it('is left alone else', () => {
    for (const [uid, first] of [
      [undefined, FIRST],
      [70_001, FIRST],
      [FIRST, undefined],
      [LAST + 1, FIRST],
    ] as const) {
      expect(() => refuseBlockOwner(STATE, uid, first, owner)).not.toThrow();
    }
  });
});
