import { existsSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type DaemonCgroup,
  detectCgroups,
  isUnusual,
  listAppCgroups,
  makeDaemonCgroup,
  type PlannedCgroup,
  planCgroup,
  removeAppCgroups,
} from '../../../src/host/linux/cgroup/index.ts';
import { launchSoon } from '../../../src/host/linux/launch.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { sandboxPlan } from '../../fixtures/native/plan.ts';
import { PIPES } from '../../fixtures/native/run.ts';

const paths = pathsFor('/srv/metactl-test-cgroup-at-once');
const facts = detectCgroups();
const LIMITS = { memoryMax: 64 << 20, tasksMax: 7, cpuWeight: 50 };
const SLEEP = sandboxPlan(['sleep', '60']);
const plan = () => planCgroup(paths, 'shop', 'web', LIMITS, facts, false)!;
const launchIn = (planned: PlannedCgroup, more = {}) =>
  launchSoon(SLEEP, { tasks: [], v1: planned.v1, stdio: PIPES, ...more }, planned.request);
/** Directories that it would be in. */
const placesOf = ({ request: { v1, v2 } }: PlannedCgroup) => (v2 === '' ? v1 : [...v1, v2]);
const other = () => makeDaemonCgroup(paths, 'shop', 'other', {}, facts, false);

const opened: DaemonCgroup[] = [];
afterEach(async () => {
  for (const cgroup of opened.splice(0)) cgroup.close();
  for (const { app } of listAppCgroups(paths)) await removeAppCgroups(paths, app);
});

describe('a cgroup that is made with the launch', () => {
  it('is as one made before, and the daemon is in it from its first instruction', async () => {
    opened.push(other());
    const before = makeDaemonCgroup(paths, 'shop', 'web', LIMITS, facts, false);
    const values = (cgroup: DaemonCgroup) =>
      cgroup.paths.map((path) =>
        readdirSync(path)
          .filter((name) => /max$|limit|shares|weight|cpuset\.(cpus|mems)$|oom\.group/.test(name))
          .map((name) => [name, readFileSync(`${path}/${name}`, 'utf8')]),
      );
    const { paths: places, v1 } = before;
    const expected = values(before);
    await before.remove();

    const planned = plan();
    const { sandbox, made } = await launchIn(planned);
    const cgroup = planned.open(made!);
    opened.push(cgroup);
    await sandbox.started;
    expect(cgroup).toMatchObject({ paths: places, v1, warnings: [] });
    expect(values(cgroup)).toEqual(expected);
    const isThere = readFileSync(`/proc/${sandbox.pid}/cgroup`, 'utf8');
    const found = isThere.split('\n').filter((line) => line.endsWith('/shop/web'));
    expect(found).toHaveLength(cgroup.paths.length);
    expect(cgroup.pids()).toContain(sandbox.pid);
    expect(cgroup.tasks).toHaveLength(planned.request.v1.length);
    sandbox.kill();
    await sandbox.ended;
    await cgroup.remove();
    opened.pop();
    expect(cgroup.paths.some(existsSync)).toBe(false);
  });

  it('is not made where its parents are missing, or something is left there', async () => {
    const planned = plan();
    const places = placesOf(planned);
    await expect(launchIn(planned)).rejects.toSatisfy(isUnusual);
    expect(places.map(dirname).some(existsSync)).toBe(false);

    opened.push(other());
    const last = places.at(-1)!;
    mkdirSync(last);
    await expect(launchIn(planned)).rejects.toMatchObject({ step: 'make cgroup at once', code: 'EEXIST', path: last });
    expect(places.filter(existsSync)).toEqual([last]);
  });

  it('is not made where an earlier run has left one elsewhere', async () => {
    opened.push(other());
    const planned = plan();
    const absent = [...planned.request.absent, dirname(placesOf(planned)[0]!)];
    const failed = launchIn({ ...planned, request: { ...planned.request, absent } });
    await expect(failed).rejects.toSatisfy(isUnusual);
    expect(placesOf(planned).some(existsSync)).toBe(false);
  });

  it('is not left where a value is refused, or the launch fails', async () => {
    opened.push(other());
    const planned = plan();
    const wrong = planned.request.writes.map((write) => ({ ...write, value: 'much' }));
    const refused = launchIn({ ...planned, request: { ...planned.request, writes: wrong } });
    await expect(refused).rejects.toSatisfy(isUnusual);
    expect(placesOf(planned).some(existsSync)).toBe(false);

    const netns = openSync('/dev/null', 'r');
    await expect(launchIn(planned, { netns })).rejects.toMatchObject({ step: 'enter network namespace' });
    expect(placesOf(planned).some(existsSync)).toBe(false);
    planned.removeParents();
    expect(placesOf(planned).map(dirname).every(existsSync)).toBe(true);
  });
});
