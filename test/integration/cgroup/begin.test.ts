import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  beginAppCgroup,
  detectCgroups,
  listAppCgroups,
  makeDaemonCgroup,
  removeAppCgroups,
} from '../../../src/host/linux/cgroup/index.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';

leakCheck();

const paths = pathsFor('/srv/metactl-test-cgroup-begin');
const facts = detectCgroups();
const begin = () => beginAppCgroup(paths, 'shop', 'web', facts);
const make = (app: string, daemon: string) => makeDaemonCgroup(paths, app, daemon, {}, facts, false);

afterEach(async () => {
  for (const { app } of listAppCgroups(paths)) await removeAppCgroups(paths, app);
});

/** The app's directory in the cpuset hierarchy, as one of its daemons has it. */
async function place(): Promise<string> {
  const cgroup = make('shop', 'web');
  const path = dirname(cgroup.v1.get(facts.controllers.cpuset!.mountedWith)!);
  await cgroup.remove();
  return path;
}

describe('an app’s cgroup that is begun', () => {
  it('is left alone where no app has one', async () => {
    const path = await place();
    await begin().done;
    expect(existsSync(path)).toBe(false);
  });

  it('is there when it is done, whole, and the daemon’s own is made in it', async () => {
    const path = await place();
    const other = make('other', 'web');
    await begin().done;
    expect(existsSync(path)).toBe(true);
    const cgroup = make('shop', 'web');
    await cgroup.remove();
    expect(existsSync(path)).toBe(false);
    await other.remove();
  });

  it('is made by whoever comes first', async () => {
    const other = make('other', 'web');
    const begun = begin();
    const cgroup = make('shop', 'web');
    await begun.done;
    await begun.undo();
    expect(cgroup.paths.every(existsSync)).toBe(true);
    await cgroup.remove();
    await other.remove();
  });

  it('goes where it turns out that nobody needs it', async () => {
    const path = await place();
    const other = make('other', 'web');
    await begin().undo();
    expect(existsSync(path)).toBe(false);
    await other.remove();
  });

  it('is nothing on cgroup v2', async () => {
    await beginAppCgroup(paths, 'shop', 'web', { ...facts, controllers: {} }).undo();
    expect(listAppCgroups(paths)).toEqual([]);
  });
});
