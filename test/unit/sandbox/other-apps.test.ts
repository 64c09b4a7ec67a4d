import { describe, expect, it } from 'vitest';
import type { MountRequest } from '../../../src/sandbox/mounts.ts';
import { hideOtherApps, type OtherAppsInput } from '../../../src/sandbox/other-apps.ts';
import { type FakeMachine, fakeFacts } from '../../helpers/fake-facts.ts';

const STATE = '/var/lib/metactl/apps/shop/state';

/** An app whose directory is `/srv/shop`, on a server with these directories besides. */
function hide(others: readonly string[], machine: FakeMachine['paths'] = {}, changes: Partial<OtherAppsInput> = {}) {
  const directory = changes.directory ?? '/srv/shop';
  const there = Object.fromEntries(others.map((path) => [path, 'directory'] as const));
  const paths = { '/srv/data': 'directory', [directory]: 'directory', ...there, ...machine } as FakeMachine['paths'];
  return hideOtherApps({
    facts: fakeFacts(paths === undefined ? {} : { paths }),
    others,
    directory,
    stateDirectory: STATE,
    own: [directory, STATE],
    covered: ['/etc/metactl', '/var/lib/metactl', '/var/log/metactl', '/run/metactl'],
    mounts: [],
    ...changes,
  });
}

const mount = (target: string, changes: Partial<MountRequest> = {}): MountRequest => ({
  target,
  kind: 'ro',
  source: target,
  size: 4096,
  origin: 'nodes/shop.conf:3',
  trusted: true,
  ...changes,
});
const nothing = { covers: [], masks: [], images: [] };

describe('the directories of other apps', () => {
  it('are hidden one by one beside what else is there', () => {
    expect(hide(['/srv/b', '/srv/c'])).toEqual({ ...nothing, masks: ['/srv/b', '/srv/c'] });
  });

  it('are hidden by what they really are, once', () => {
    const links = { '/srv/link': '/data/b', '/data/b': 'directory' };
    expect(hide(['/srv/link', '/data/b', '/srv/gone'], { ...links, '/srv/gone': 'absent' }).masks).toEqual(['/data/b']);
    expect(hide(['/srv/link'], links)).toEqual({ ...nothing, masks: ['/data/b'] });
  });

  it('are not hidden in the app’s own where somebody’s link says so, who would take it away', () => {
    const paths = { '/srv/link': '/srv/shop/lib', '/srv/shop/lib': 'directory' } as const;
    const facts = (decidedByOthers: readonly string[]) => fakeFacts({ paths, decidedByOthers });
    expect(hide(['/srv/link'], {}, { facts: facts(['/srv/link']) })).toEqual(nothing);
    expect(hide(['/srv/link'], {}, { facts: facts([]) }).masks).toEqual(['/srv/shop/lib']);
    // What the node file itself names is hidden, whoever owns the app's directory.
    expect(hide(['/srv/shop/lib'], {}, { facts: facts(['/srv/shop/lib']) }).masks).toEqual(['/srv/shop/lib']);
  });

  it('stay where they are the app’s own, or hidden anyway', () => {
    const others = ['/srv/shop', '/home/b', '/var/lib/metactl/apps/b/current', `${STATE}/b`];
    expect(hide(others)).toEqual(nothing);
  });

  it.each(['/', '/usr', '/srv', '/var', '/var/lib', '/etc', '/run', '/tmp'])('never take %s with them', (path) => {
    expect(hide([path], { '/': 'directory' })).toEqual(nothing);
  });

  it('are hidden inside the app’s own', () => {
    expect(hide(['/srv/shop/b'])).toEqual({ ...nothing, masks: ['/srv/shop/b'] });
    // Not together with the app itself, which has nothing but links to elsewhere.
    const masks = ['/srv/shop/b', '/srv/shop/c'];
    expect(hide(masks)).toEqual({ ...nothing, masks });
  });

  it('leave the app’s own a place in them', () => {
    const directory = '/srv/b/shop';
    expect(hide(['/srv/b'], {}, { directory })).toEqual({ ...nothing, covers: ['/srv/b'] });
  });

  it('are hidden below the app’s own below another one', () => {
    const others = ['/srv/b', '/srv/b/x', '/srv/b/shop/c'];
    expect(hide(others, {}, { directory: '/srv/b/shop' })).toEqual({
      ...nothing,
      covers: ['/srv/b'],
      masks: ['/srv/b/shop/c'],
    });
  });

  it('are left to the outermost', () => {
    expect(hide(['/srv/b/x/y', '/srv/b'])).toEqual({ ...nothing, masks: ['/srv/b'] });
  });

  it('are hidden together where nothing else is there', () => {
    const many = Array.from({ length: 300 }, (_, i) => `/srv/apps/app${i}`);
    const lost = { '/srv/apps/lost+found': 'directory' };
    expect(hide(many, lost, { directory: '/srv/apps/shop' })).toEqual({ ...nothing, covers: ['/srv/apps'] });
    expect(hide(many, lost)).toEqual({ ...nothing, masks: ['/srv/apps'] });
    expect(hide(many, { '/srv/apps/README': 'file' }).masks).toHaveLength(300);
  });

  it('are hidden together over several levels', () => {
    const others = ['/srv/apps/a/1', '/srv/apps/a/2', '/srv/apps/b/1', '/srv/apps/b/2'];
    expect(hide(others)).toEqual({ ...nothing, masks: ['/srv/apps'] });
  });

  it('are not hidden together with a directory on the way to the app’s own', () => {
    const directory = '/srv/apps/team/shop';
    const { covers, masks } = hide(['/srv/apps/a', '/srv/apps/b'], {}, { directory });
    expect([covers, masks]).toEqual([[], ['/srv/apps/a', '/srv/apps/b']]);
  });
});

describe('what administrators mount', () => {
  it.each(['/srv/b', '/srv', '/mnt/link'])('wins at %s', (target) => {
    expect(hide(['/srv/b'], { '/mnt/link': '/srv/b' }, { mounts: [mount(target)] })).toEqual(nothing);
  });

  it('has its place in a hidden directory', () => {
    const mounts = [mount('/srv/b/public')];
    expect(hide(['/srv/b'], {}, { mounts })).toEqual({ ...nothing, covers: ['/srv/b'] });
  });

  it('does not show what is in the app’s own directory by making that writable', () => {
    const mounts = [mount('/srv/shop', { kind: 'rw' })];
    expect(hide(['/srv/shop/b'], {}, { mounts })).toEqual({ ...nothing, masks: ['/srv/shop/b'] });
  });

  it('hides with `hide` as before', () => {
    expect(hide(['/srv/b'], {}, { mounts: [mount('/srv', { kind: 'hide' })] }).masks).toEqual(['/srv/b']);
  });
});

describe('what developers mount', () => {
  const untrusted = (target: string, source = target) => mount(target, { source, trusted: false });
  it.each([
    ['itself', untrusted('/srv/shop/b'), ['/srv/shop/b']],
    ['at another place', untrusted('/srv/shop/x', '/srv/shop/b'), ['/srv/shop/x']],
    ['a part of it', untrusted('/srv/shop/x', '/srv/shop/b/etc'), ['/srv/shop/x']],
    ['with what is above it', untrusted('/srv/shop/x', '/srv/shop'), ['/srv/shop/x/b']],
  ])('does not show another app’s directory: %s', (_, request, images) => {
    const { masks, images: found } = hide(['/srv/shop/b'], {}, { mounts: [request] });
    expect([masks, found]).toEqual([['/srv/shop/b'], images]);
  });
});
