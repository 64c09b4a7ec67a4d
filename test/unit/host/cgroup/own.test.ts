import { expect, it } from 'vitest';
import type { CgroupFacts } from '../../../../src/host/host.ts';
import { type OwnSources, takeOwnCgroup } from '../../../../src/host/linux/cgroup/own.ts';
import type { UnitFacts } from '../../../../src/host/linux/systemd/manager.ts';
import { HYBRID, V2 } from './fake-kernel.ts';

/** As they are found where this process is. */
const DETECTED: CgroupFacts = { ...V2, own: '/here' };
const SCOPE: CgroupFacts = { ...V2, own: '/system.slice/scope' };

/** A machine whose systemd moves this process when it is asked to. */
function sources(unit: UnitFacts | undefined, { systemd = true, cgroup = '0::/user.slice/session-1.scope\n' } = {}) {
  const asked: string[] = [];
  let current = cgroup;
  const made: OwnSources = {
    kernel: { exists: () => systemd },
    manager: {
      unitOf: (pid) => {
        asked.push(`unit of ${pid === process.pid ? 'us' : pid}`);
        return Promise.resolve(unit);
      },
      startScope: (name, description, pid) => {
        asked.push(`${name.replace(String(process.pid), 'PID')}: ${description}: ${pid === process.pid ? 'us' : pid}`);
        // Some time after the answer.
        setTimeout(() => {
          current = '0::/system.slice/scope\n';
        }, 20);
        return Promise.resolve();
      },
    },
    procCgroup: () => current,
    detect: () => (current === cgroup ? DETECTED : SCOPE),
    patience: 200,
  };
  return { asked, made };
}

const SESSION: UnitFacts = {
  id: 'session-1.scope',
  controlGroup: '/user.slice/session-1.scope',
  delegates: false,
  mainPid: 0,
};

it('from a login it is moved to a scope, and looks at its cgroup again', async () => {
  const { asked, made } = sources(SESSION);
  expect(await takeOwnCgroup('metactl-shop', V2, made)).toBe(SCOPE);
  expect(asked).toEqual(['unit of us', 'metactl-shop-PID.scope: metactl metactl-shop: us']);
});

it('in no unit at all, too', async () => {
  const { asked, made } = sources(undefined);
  expect(await takeOwnCgroup('metactl-shop', V2, made)).toBe(SCOPE);
  expect(asked.length).toBe(2);
});

it('a unit that delegates its cgroup is what it needs', async () => {
  const { asked, made } = sources({ ...SESSION, id: 'shop.service', controlGroup: V2.own!, delegates: true });
  expect(await takeOwnCgroup('metactl-shop', V2, made)).toBe(DETECTED);
  expect(asked).toEqual(['unit of us']);
});

it("another cgroup below a unit that delegates is somebody else's", async () => {
  const { asked, made } = sources({ ...SESSION, id: 'user@0.service', controlGroup: '/user.slice', delegates: true });
  expect(await takeOwnCgroup('metactl-shop', V2, made)).toBe(SCOPE);
  expect(asked.length).toBe(2);
});

it('a service of its own must delegate', async () => {
  const { asked, made } = sources({ ...SESSION, id: 'shop.service', mainPid: process.pid });
  await expect(takeOwnCgroup('metactl-shop', V2, made)).rejects.toMatchObject({
    code: 'METACTL_NOT_DELEGATED',
    message: 'shop.service does not delegate its cgroup',
    hint: 'add Delegate=yes to the [Service] section of shop.service',
    exitStatus: 78,
  });
  expect(asked).toEqual(['unit of us']);
});

it('nothing is asked on v1, without systemd, or a second time', async () => {
  for (const [facts, options] of [
    [HYBRID, {}],
    [{ ...V2, permitted: false }, {}],
    [V2, { systemd: false }],
  ] as const) {
    const { asked, made } = sources(SESSION, options);
    expect(await takeOwnCgroup('metactl-shop', facts, made)).toBe(facts);
    expect(asked).toEqual([]);
  }
  const { asked, made } = sources(SESSION, { cgroup: '0::/system.slice/shop.service/metactl-supervisor\n' });
  expect(await takeOwnCgroup('metactl-shop', V2, made)).toBe(DETECTED);
  expect(asked).toEqual([]);
});

it('does not wait for ever to be moved', async () => {
  const { made } = sources(SESSION);
  const stuck: OwnSources = { ...made, manager: { ...made.manager, startScope: () => Promise.resolve() } };
  await expect(takeOwnCgroup('metactl-shop', V2, stuck)).rejects.toThrow(
    'systemd did not move metactl to its scope within 0.2 s',
  );
});
