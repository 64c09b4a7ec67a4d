import { describe, expect, it } from 'vitest';
import type { CgroupFacts } from '../../../../src/host/host.ts';
import { ProbePlaces } from '../../../../src/host/linux/cgroup/probe.ts';
import { hierarchiesOf, leafPath } from '../../../../src/host/linux/cgroup/tree.ts';
import { MetactlError } from '../../../../src/util/error.ts';
import { pathsFor } from '../../../../src/util/paths.ts';
import { type FakeKernel, FakeProcesses, HYBRID, hybridKernel, V2, v2Kernel } from './fake-kernel.ts';

const PATHS = pathsFor('/');
const V2_LEAF = '/cg/system.slice/metactl.service/metactl/shop/web';

function setUp(kernel: FakeKernel, facts: CgroupFacts) {
  const leaves = hierarchiesOf(facts, false).map((hierarchy) => ({
    hierarchy,
    path: leafPath(hierarchy, PATHS, 'shop', 'web').leaf,
  }));
  for (const { path } of leaves) kernel.mkdir(path);
  const backends = { kernel, processes: new FakeProcesses(kernel) };
  const parts = () => [...kernel.files.keys()].filter((path) => path.includes('/metactl-probe-'));
  const take = (places: ProbePlaces) => {
    const place = places.take(leaves)!;
    const [changed] = place.leaves.filter(({ path }) => path.includes('/metactl-probe-'));
    return {
      ...place,
      path: changed!.path,
      occupy: (pid: number) => kernel.set(`${changed!.path}/cgroup.procs`, `${pid}\n`),
    };
  };
  return { leaves, backends, places: new ProbePlaces(backends), parts, take };
}

describe("the parts of a daemon's cgroup that checks run in", () => {
  it('are in one hierarchy: v2 with cgroup.kill, else that of pids', () => {
    const old = hybridKernel();
    const hybrid = setUp(hybridKernel(), HYBRID);
    expect(hybrid.take(hybrid.places).path).toMatch(/^\/cg\/unified\/metactl\/shop\/web\/metactl-probe-\d+$/);
    const before = setUp(old, HYBRID);
    old.files.get('/cg/unified/metactl/shop/web')!.delete('cgroup.kill');
    const place = before.take(before.places);
    expect(place.path).toMatch(/^\/cg\/pids\/metactl\/shop\/web\/metactl-probe-\d+$/);
    expect(place.leaves.map(({ path }) => path).filter((path) => path !== place.path)).toEqual(
      before.leaves.map(({ path }) => path).filter((path) => !path.startsWith('/cg/pids/')),
    );
    // Forks are forbidden there, and not to the daemon.
    place.occupy(77);
    place.release();
    expect(before.backends.processes.killed).toEqual([77]);
    expect(old.writes).toEqual([`${place.path}/pids.max=0`]);
    expect(before.parts()).toEqual([]);
  });

  it('are used again until something in them had to be killed, and go with the last use', () => {
    const { places, parts, take } = setUp(v2Kernel(), V2);
    const first = take(places);
    first.release();
    const second = take(places);
    expect(second.path).toBe(first.path);
    second.occupy(77);
    second.release();
    expect(parts()).toEqual([]);
    const third = take(places);
    expect(third.path).not.toBe(first.path);
    third.release();
    expect(parts()).toEqual([third.path]);
    places.close();
    expect(parts()).toEqual([]);
  });

  it('are made again where somebody has removed them', () => {
    const kernel = v2Kernel();
    const { places, parts, take } = setUp(kernel, V2);
    const first = take(places);
    first.release();
    kernel.rmdir(first.path);
    const second = take(places);
    expect(parts()).toEqual([second.path]);
  });

  it('never have the name of one whose end comes late', () => {
    const { backends, places, parts, take } = setUp(v2Kernel(), V2);
    const late = take(places);
    places.close();
    const next = take(new ProbePlaces(backends));
    next.occupy(77);
    expect(next.path).not.toBe(late.path);
    late.release();
    expect(parts()).toEqual([next.path]);
  });

  it('that a supervisor before has left are emptied and removed, and nothing else is', () => {
    const kernel = v2Kernel();
    const { places, take, parts } = setUp(kernel, V2);
    for (const [name, pid] of [
      ['metactl-probe-99', 77],
      ['metactl-probe-', 78],
      ['workers', 79],
    ] as const) {
      kernel.mkdir(`${V2_LEAF}/${name}`);
      kernel.set(`${V2_LEAF}/${name}/cgroup.procs`, `${pid}\n`);
    }
    const { path } = take(places);
    expect(parts().sort()).toEqual([`${V2_LEAF}/metactl-probe-`, path].sort());
    expect(Number(path.split('-').at(-1))).toBeGreaterThan(99);
    expect(kernel.read(`${V2_LEAF}/workers/cgroup.procs`)?.trim()).toBe('79');
  });

  it('that the kernel does not let go of now are tried again', () => {
    const kernel = v2Kernel();
    const { places, parts, take } = setUp(kernel, V2);
    const place = take(places);
    place.occupy(77);
    kernel.onWrite = () => {
      throw Object.assign(new Error('EOPNOTSUPP'), { code: 'EOPNOTSUPP' });
    };
    place.release();
    expect(parts()).toEqual([place.path]);
    kernel.onWrite = () => {};
    const next = take(places);
    expect(parts()).toEqual([next.path]);
  });

  it('are an error where none can be made, and nothing where the daemon has no cgroup', () => {
    const kernel = v2Kernel();
    const { leaves, places } = setUp(kernel, V2);
    expect(places.take([])).toBeUndefined();
    kernel.mkdir = () => {
      throw Object.assign(new Error('EAGAIN'), { code: 'EAGAIN', errno: -11, syscall: 'mkdir' });
    };
    const take = () => places.take(leaves);
    expect(take).toThrow(MetactlError);
    expect(take).toThrow(
      /^can't make cgroup \/cg\/system\.slice\/metactl\.service\/metactl\/shop\/web\/metactl-probe-\d+: EAGAIN$/,
    );
  });
});
