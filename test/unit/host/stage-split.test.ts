import { describe, expect, it } from 'vitest';
import { expandRecursiveBinds } from '../../../src/host/linux/recursive-binds.ts';
import { hostSources, joinParts, splitRoot, watchedPaths } from '../../../src/host/linux/stage-split.ts';
import type { MountStep } from '../../../src/sandbox/plan.ts';

const bind = (target: string, changes: object = {}): MountStep => ({
  op: 'bind',
  source: target,
  target,
  recursive: false,
  shared: true,
  ...changes,
});
const tmpfs = (target: string, shared = true): MountStep => ({ op: 'tmpfs', target, size: 1, mode: 0o755, shared });
const seal = (target: string): MountStep => ({ op: 'remount', target, readOnly: true, shared: true });
const root = (steps: MountStep[], masked: string[] = [], readOnly: string[] = []) =>
  splitRoot({ steps, masked, readOnly, leftOut: [], common: 0 });

describe('splitRoot', () => {
  it('shares what depends on no launch, in order', () => {
    const shared = [bind('/'), tmpfs('/dev'), seal('/dev')];
    const own: MountStep[] = [{ op: 'proc', target: '/proc', shared: false }, tmpfs('/dev/shm', false)];
    expect(root([...shared, ...own])).toMatchObject({ shared: { steps: shared }, own: { steps: own } });
  });

  it('shares nothing from the first recursive bind on: what hides a part of it must come after it', () => {
    const steps = [
      bind('/'),
      bind('/srv', { recursive: true }),
      tmpfs('/srv/secret'),
      seal('/srv/secret'),
      bind('/app'),
    ];
    expect(root(steps).shared.steps).toEqual([steps[0]]);
    expect(root(steps).own.steps).toEqual(steps.slice(1));
  });

  it('shares no tmpfs that stays writable', () => {
    const steps = [bind('/'), tmpfs('/hidden'), tmpfs('/scratch'), seal('/hidden')];
    expect(root(steps).shared.steps).toEqual([steps[0], steps[1]]);
  });

  it('covers with each part what is below its steps', () => {
    const split = root(
      [bind('/'), { op: 'sysfs', target: '/sys', shared: true }, { op: 'proc', target: '/proc', shared: false }],
      ['/sys/firmware', '/proc/kcore', '/process'],
      ['/proc/sys', '/usr'],
    );
    expect(split.shared).toMatchObject({ masked: ['/sys/firmware', '/process'], readOnly: ['/usr'] });
    expect(split.own).toMatchObject({ masked: ['/proc/kcore'], readOnly: ['/proc/sys'] });
  });

  it('keeps apart what all apps have in common, as far as it can be shared', () => {
    const steps = [bind('/'), tmpfs('/home'), seal('/home'), bind('/app'), bind('/own', { shared: false })];
    const split = (common: number) => splitRoot({ steps, common, masked: [], readOnly: [], leftOut: [] });
    expect(split(3).common.steps).toEqual(steps.slice(0, 3));
    expect(split(3).shared.steps).toEqual([steps[3]]);
    expect(split(5).common.steps).toEqual(steps.slice(0, 4));
    expect(split(5).own.steps).toEqual([steps[4]]);
    expect(joinParts(split(3).common, split(3).shared)).toEqual({ steps: steps.slice(0, 4), masked: [], readOnly: [] });
  });

  it('may share all or nothing', () => {
    expect(root([]).shared.steps).toEqual([]);
    expect(root([bind('/')]).own.steps).toEqual([]);
  });
});

describe('hostSources', () => {
  it('names what is bound from the host, not from inside', () => {
    expect(hostSources([bind('/'), bind('/etc/hosts', { from: 'inside' }), tmpfs('/dev'), bind('/a')])).toEqual([
      '/',
      '/a',
    ]);
  });
});

describe('watchedPaths', () => {
  it('names what is shown and hidden of the host, but for kernel files', () => {
    const steps = [bind('/'), tmpfs('/dev'), tmpfs('/home')];
    expect(watchedPaths({ steps, masked: ['/proc/kcore', '/sys/firmware', '/srv/b'] })).toEqual([
      '/',
      '/home',
      '/srv/b',
    ]);
  });
});

describe('expandRecursiveBinds', () => {
  const mount = (path: string) => ({ path, fsType: 'ext4', source: 'x', root: '/' });

  it('makes one bind of each mount below the source', () => {
    const mounts = ['/', '/srv', '/srv/a', '/srv/a/b', '/srvx', '/srv/a'].map(mount);
    const step = bind('/inside', { source: '/srv', recursive: true, readOnly: true });
    expect(expandRecursiveBinds([bind('/'), step], mounts)).toEqual([
      bind('/'),
      { ...step, recursive: false },
      { ...step, source: '/srv/a', target: '/inside/a', recursive: false },
      { ...step, source: '/srv/a/b', target: '/inside/a/b', recursive: false },
    ]);
  });

  it('copes with the root as source and target', () => {
    const step = bind('/', { recursive: true });
    expect(expandRecursiveBinds([step], [mount('/'), mount('/usr')]).map((each) => each.target)).toEqual(['/', '/usr']);
  });
});
