import { expect, it } from 'vitest';
import { mountRequests } from '../../../src/sandbox/mount-requests.ts';
import { appRoot, inspectRoot, put } from '../config/root.ts';

it('mounts of administrators are told from those that .metactl has any part in', () => {
  const root = appRoot({
    site: '[sandbox.mounts]\n/mnt = tmpfs:1m\n',
    node: '[env]\nWHERE = /opt\n[sandbox.mounts]\n/srv = rw:from:/data\n/media = from:%(WHERE)\n[trust]\napplication = full\n',
  });
  const state = `${root}/var/lib/metactl/apps/myapp/state`;
  const application = `[daemon.web]\n[sandbox.mounts]\n${state}/a = hide\n${state}/b = from:${state}/a\n`;
  const file = put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', application);
  const { config, lines } = inspectRoot(root);
  expect(lines).toEqual([]);
  const byTarget = Object.fromEntries(mountRequests(config).map(({ target, ...rest }) => [target, rest]));
  const size = 64 << 20;
  expect(byTarget).toEqual({
    '/mnt': {
      kind: 'tmpfs',
      source: '/mnt',
      size: 1 << 20,
      origin: `${root}/etc/metactl/site/myapp.conf:2`,
      trusted: true,
    },
    '/srv': { kind: 'rw', source: '/data', size, origin: `${root}/etc/metactl/nodes/myapp.conf:4`, trusted: true },
    '/media': { kind: 'ro', source: '/opt', size, origin: `${root}/etc/metactl/nodes/myapp.conf:5`, trusted: true },
    [`${state}/a`]: { kind: 'hide', source: `${state}/a`, size, origin: `${file}:3`, trusted: false },
    [`${state}/b`]: { kind: 'ro', source: `${state}/a`, size, origin: `${file}:4`, trusted: false },
  });
  put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', '[daemon.web]\n[env]\nWHERE = /opt\n');
  put(root, 'etc/metactl/nodes/myapp.conf', '[sandbox.mounts]\n/media = from:%(WHERE)\n[trust]\napplication = full\n');
  const through = mountRequests(inspectRoot(root).config).find(({ target }) => target === '/media');
  expect(through).toMatchObject({ source: '/opt', trusted: false });
});
