import { describe, expect, it } from 'vitest';
import { checkAppDirectory, mayBeHidden } from '../../../src/sandbox/app-directory.ts';

const HOME = '/var/lib/metactl/apps/shop';

function check(told: string, real: string) {
  checkAppDirectory({
    told,
    real,
    covered: ['/etc/metactl', '/var/lib/metactl', '/var/log/metactl', '/run/metactl'],
    home: HOME,
    stateDirectory: `${HOME}/state`,
  });
}

describe('the app directory', () => {
  it.each([
    ['/srv/shop', '/srv/shop'],
    ['/home/alice/shop', '/home/alice/shop'],
    ['/root/shop', '/root/shop'],
    [`${HOME}/current`, `${HOME}/releases/7`],
    ['/srv/shop', '/srv/releases/7'],
    ['/home/alice/shop', '/home/alice/releases/7'],
  ])('may be %s', (told, real) => {
    expect(() => check(told, real)).not.toThrow();
  });

  it.each([
    ['/', '/', 'the app directory / holds /etc/metactl, which is metactl’s own'],
    ['/var', '/var', 'the app directory /var holds /var/lib/metactl, which is metactl’s own'],
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
});
