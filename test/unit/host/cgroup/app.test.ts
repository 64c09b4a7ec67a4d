import { describe, expect, it } from 'vitest';
import { findAppCgroups, listAppCgroups, pidsOf, removeAppCgroups } from '../../../../src/host/linux/cgroup/app.ts';
import { makeDaemonCgroup } from '../../../../src/host/linux/cgroup/daemon.ts';
import { pathsFor } from '../../../../src/util/paths.ts';
import { type FakeKernel, FakeProcesses, HYBRID, hybridKernel, V2, v2Kernel } from './fake-kernel.ts';

const paths = pathsFor('/');
const moved = pathsFor('/srv/scratch');

function machine(kernel: FakeKernel = hybridKernel()) {
  return { kernel, processes: new FakeProcesses(kernel) };
}

describe('listAppCgroups', () => {
  it('lists apps and daemons of this root only', () => {
    const backends = machine();
    for (const daemon of ['web', 'jobs']) makeDaemonCgroup(paths, 'shop', daemon, {}, HYBRID, false, backends);
    makeDaemonCgroup(paths, 'blog', 'web', {}, HYBRID, false, backends);
    makeDaemonCgroup(moved, 'wiki', 'web', {}, HYBRID, false, backends);
    const listed = listAppCgroups(paths, HYBRID, backends.kernel);
    expect(listed.map(({ app, daemons }) => [app, daemons])).toEqual([
      ['blog', ['web']],
      ['shop', ['jobs', 'web']],
    ]);
    expect(listed[0]?.paths).toContain('/cg/unified/metactl/blog');
    expect(listAppCgroups(moved, HYBRID, backends.kernel).map(({ app }) => app)).toEqual(['wiki']);
  });

  it('finds v2 trees of supervisors elsewhere, but none that a user made in a delegated part', () => {
    const backends = machine(v2Kernel());
    makeDaemonCgroup(paths, 'shop', 'web', {}, V2, false, backends);
    backends.kernel.mkdir('/cg/user.slice/metactl/fake/web');
    backends.kernel.foreign.add('/cg/user.slice/metactl');
    const facts = { ...V2, own: '/user.slice/session-1.scope' };
    expect(listAppCgroups(paths, facts, backends.kernel)).toEqual([
      { app: 'shop', daemons: ['web'], paths: ['/cg/system.slice/metactl.service/metactl/shop'] },
    ]);
  });

  it('is empty where nothing was made', () => {
    expect(listAppCgroups(paths, HYBRID, hybridKernel())).toEqual([]);
  });
});

describe('findAppCgroups', () => {
  it('is what the list says of the app, and looks at no other app', () => {
    const backends = machine();
    for (const app of ['blog', 'shop']) makeDaemonCgroup(paths, app, 'web', {}, HYBRID, false, backends);
    const [, shop] = listAppCgroups(paths, HYBRID, backends.kernel);
    const { kernel } = backends;
    const looked: string[] = [];
    const watching = new Proxy(kernel, {
      get: (target, name) =>
        name === 'directories'
          ? (path: string) => {
              looked.push(path);
              return target.directories(path);
            }
          : Reflect.get(target, name, target),
    });
    expect(findAppCgroups(paths, 'shop', HYBRID, watching)).toEqual(shop);
    expect(looked.filter((path) => path.includes('blog'))).toEqual([]);
    expect(findAppCgroups(paths, 'wiki', HYBRID, kernel)).toBeUndefined();
  });
});

describe('pidsOf', () => {
  it('is what any hierarchy shows, once', () => {
    const backends = machine();
    const [memory, cpu] = makeDaemonCgroup(paths, 'shop', 'web', {}, HYBRID, false, backends).paths;
    backends.kernel.set(`${memory}/cgroup.procs`, '9\n41\n');
    backends.kernel.set(`${cpu}/cgroup.procs`, '41\n100\n');
    const [found] = listAppCgroups(paths, HYBRID, backends.kernel);
    expect(pidsOf(found!, 'web', backends.kernel)).toEqual([9, 41, 100]);
    expect(pidsOf(found!, 'jobs', backends.kernel)).toEqual([]);
  });
});

describe('removeAppCgroups', () => {
  it('kills and removes one app and leaves the others', async () => {
    const backends = machine();
    const { kernel, processes } = backends;
    const [memory] = makeDaemonCgroup(paths, 'shop', 'web', {}, HYBRID, false, backends).paths;
    makeDaemonCgroup(paths, 'blog', 'web', {}, HYBRID, false, backends);
    kernel.set(`${memory}/cgroup.procs`, '41\n');
    const removed = await removeAppCgroups(paths, 'shop', HYBRID, backends);
    expect(processes.killed).toEqual([41]);
    expect(removed).toContain('/cg/memory/metactl/shop/web');
    expect(removed).toContain('/cg/unified/metactl/shop');
    expect(removed).not.toContain('/cg/memory/metactl');
    expect(listAppCgroups(paths, HYBRID, kernel).map(({ app }) => app)).toEqual(['blog']);
    expect(await removeAppCgroups(paths, 'shop', HYBRID, backends)).toEqual([]);
    expect(await removeAppCgroups(paths, 'blog', HYBRID, backends)).toContain('/cg/memory/metactl');
  });

  it('leaves another root alone', async () => {
    const backends = machine();
    makeDaemonCgroup(moved, 'shop', 'web', {}, HYBRID, false, backends);
    expect(await removeAppCgroups(paths, 'shop', HYBRID, backends)).toEqual([]);
    expect(listAppCgroups(moved, HYBRID, backends.kernel)).toHaveLength(1);
  });
});
