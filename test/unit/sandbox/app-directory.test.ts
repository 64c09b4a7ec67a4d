import { describe, expect, it } from 'vitest';
import { checkAppDirectory, mayBeHidden, type OtherDirectory } from '../../../src/sandbox/app-directory.ts';

const HOME = '/var/lib/metactl/apps/shop';

function check(
  told: string,
  real: string,
  others: readonly OtherDirectory[] = [],
  decidedByRoot = false,
  closed: readonly string[] = [],
) {
  checkAppDirectory({
    told,
    real,
    covered: ['/etc/metactl', '/var/lib/metactl', '/var/log/metactl', '/run/metactl'],
    home: HOME,
    stateDirectory: `${HOME}/state`,
    others,
    decidedByRoot: () => decidedByRoot,
    mayEnter: (path) => !closed.includes(path),
  });
}

describe('the app directory', () => {
  it.each([
    ['/srv/shop', '/srv/shop'],
    ['/home/alice/shop', '/home/alice/shop'],
    ['/root/shop', '/root/shop'],
    ['/tmp/shop', '/tmp/shop'],
    [`${HOME}/current`, `${HOME}/releases/7`],
    ['/srv/shop', '/srv/releases/7'],
    ['/home/alice/shop', '/home/alice/releases/7'],
  ])('may be %s', (told, real) => {
    expect(() => check(told, real)).not.toThrow();
  });

  it.each([
    ['/', '/', 'the app directory / holds /etc/metactl, which is metactl’s own'],
    ['/var', '/var', 'the app directory /var holds /var/lib/metactl, which is metactl’s own'],
    [HOME, HOME, `the app directory ${HOME} is in /var/lib/metactl, which is metactl’s own`],
    [
      '/srv/shop',
      '/tmp',
      'the app directory /srv/shop leads to /tmp, and that is in /tmp, which every sandbox has of its own',
    ],
    ['/etc/metactl/x', '/etc/metactl/x', 'the app directory /etc/metactl/x is in /etc/metactl, which is metactl’s own'],
    [
      '/srv/shop',
      '/etc/metactl/nodes',
      'the app directory /srv/shop leads to /etc/metactl/nodes, and that is in /etc/metactl, which is metactl’s own',
    ],
    [
      '/srv/shop',
      '/var/lib/metactl/apps/other/releases/1',
      'the app directory /srv/shop leads to /var/lib/metactl/apps/other/releases/1, and that is in /var/lib/metactl, which is metactl’s own',
    ],
    [
      `${HOME}/state`,
      `${HOME}/state`,
      `the app directory ${HOME}/state is in /var/lib/metactl, which is metactl’s own`,
    ],
    [
      '/srv/shop',
      '/home/alice',
      'the app directory /srv/shop leads to /home/alice, and that is in /home, which no app may see',
    ],
    [
      '/srv/shop',
      '/etc/ssl',
      'the app directory /srv/shop leads to /etc/ssl, and that holds /etc/ssl/private, which no app may see',
    ],
    [
      '/srv/shop',
      '/etc/ssl/private',
      'the app directory /srv/shop leads to /etc/ssl/private, and that is in /etc/ssl/private, which no app may see',
    ],
  ])('may not be %s (%s)', (told, real, message) => {
    expect(() => check(told, real)).toThrow(
      expect.objectContaining({ message: message.replace('’', "'"), code: 'METACTL_APP_DIRECTORY', exitStatus: 78 }),
    );
  });
});

it('is hidden from other apps only where that takes nothing from them', () => {
  expect(['/srv/shop', '/etc/ssl', '/etc', '/home', '/tmp'].filter((path) => mayBeHidden(path, []))).toEqual([
    '/srv/shop',
  ]);
  // Of a root that was moved.
  const covered = ['/data/site/var/lib/metactl'];
  expect(['/data', '/data/site', '/data/other'].filter((path) => mayBeHidden(path, covered))).toEqual(['/data/other']);
});

describe('the app directory and those of others', () => {
  const other = (real: string, told = real): OtherDirectory[] => [{ told, real }];

  it.each([
    ['is', '/srv/other', other('/srv/other')],
    ['is in', '/srv/other/cfg', other('/srv/other')],
    ['holds', '/data', other('/data/other')],
    ['is', '/data/other', other('/data/other', '/srv/other')],
  ])('may not lead to another app’s: it %s one', (what, real, others) => {
    expect(() => check('/srv/dev/app', real, others)).toThrow(
      expect.objectContaining({
        message: `the app directory /srv/dev/app leads to ${real}, and that ${what} ${others[0]!.told}, the directory of another app`,
        code: 'METACTL_APP_DIRECTORY',
        exitStatus: 78,
      }),
    );
  });

  it('may be where somebody’s link leads, by a link of root’s', () => {
    const others = other('/data/shop', '/srv/dev/app');
    expect(() => check('/srv/shop', '/data/shop', others, true)).not.toThrow();
    expect(() => check('/srv/shop', '/data/shop', others, false)).toThrow('the directory of another app');
    expect(() => check('/srv/shop', '/etc/metactl', [], true)).toThrow('holds /etc/metactl');
  });

  it.each([
    ['what the node file itself names', '/srv/shop/a', '/srv/shop/a', other('/srv/shop')],
    ['what another app’s link leads to', '/srv/shop', '/srv/shop', other('/srv/shop', '/srv/dev/app')],
    [
      'two apps of one release',
      '/srv/shop/current',
      '/srv/shop/releases/7',
      other('/srv/shop/releases/7', '/srv/shop/current'),
    ],
    [
      'a part of one',
      '/srv/shop/current/b',
      '/srv/shop/releases/7/b',
      other('/srv/shop/releases/7', '/srv/shop/current'),
    ],
    ['a directory beside it', '/srv/a', '/data/a', other('/data/ab', '/srv/ab')],
    ['beside one that is no app’s', '/srv/a', '/data/a', other('/')],
    ['in one that is no app’s', '/home/dev/a', '/srv/a', other('/srv')],
  ])('may be %s', (_, told, real, others) => {
    expect(() => check(told, real, others)).not.toThrow();
  });
});

describe('the app directory and directories that its user may not enter', () => {
  it('may not lead into one', () => {
    for (const real of ['/home/other/www', '/home/other/public/www']) {
      expect(() => check('/home/dev/app', real, [], false, ['/home/other'])).toThrow(
        expect.objectContaining({
          message: `the app directory /home/dev/app leads to ${real}, and that is in /home/other, which the app's user may not enter`,
          code: 'METACTL_APP_DIRECTORY',
          exitStatus: 78,
        }),
      );
    }
    // What the node file names is a link, too.
    expect(() => check('/home/dev/app/www', '/home/other/www', [], false, ['/home/other'])).toThrow('may not enter');
  });

  it.each([
    ['in one that the node file names', '/home/dev/app', '/home/dev/releases/7', ['/home/dev'], false],
    ['there without a link', '/home/other/www', '/home/other/www', ['/home/other'], false],
    ['there by a link of root’s', '/srv/app', '/srv/other/www', ['/srv/other'], true],
    ['closed itself', '/home/dev/app', '/home/other/www', ['/home/other/www'], false],
  ])('may be %s', (_, told, real, closed, decidedByRoot) => {
    expect(() => check(told, real, [], decidedByRoot, closed)).not.toThrow();
  });
});
