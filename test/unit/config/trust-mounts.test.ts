import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isWithin } from '../../../src/config/mount.ts';
import { quoted } from '../../../src/util/escape.ts';
import { appRoot, inspect, inspectRoot, put } from './root.ts';

const NODE = '/etc/metactl/nodes/myapp.conf';

describe('mounts of .metactl', () => {
  const mount = (path: string, value: string) => `[daemon.web]\n[sandbox.mounts]\n${path} = ${value}\n`;
  const outside = (path: string, column: number) =>
    `.metactl:3:${column}: found the mount \`${path}\` in .metactl, expected a path in the app's own release or state directory; ` +
    `move it to ${NODE}, or set [trust] application = full there`;

  it.each(['ro', 'rw', 'hide', 'tmpfs', 'tmpfs:1m'])('outside its own directories: %s', (value) => {
    expect(inspect({ application: mount('/srv', value) }).lines).toEqual([outside('/srv', 8)]);
    expect(inspect({ application: mount('/srv', value), node: '[trust]\napplication = full\n' }).lines).toEqual([]);
    expect(inspect({ node: mount('/srv', value) }).lines).toEqual([]);
  });

  it('inside its own directories', () => {
    const root = appRoot({});
    const home = `${root}/var/lib/metactl/apps/myapp`;
    const release = `${home}/releases/r1`;
    const write = (path: string, value: string) => {
      put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', mount(path, value));
      return inspectRoot(root).lines;
    };
    expect(write(`${home}/state/x`, 'tmpfs')).toEqual([]);
    expect(write(`${home}/state/x`, 'hide')).toEqual([]);
    expect(write(`${release}/keys`, 'hide')).toEqual([]);
    expect(write(`${release}/cache`, 'tmpfs:1m')).toEqual([]);
    for (const path of ['releases/r2', 'releases/r10', 'releases', 'state-of-others', '../shop/state']) {
      const told = outside(join(home, path).slice(root.length), join(home, path).length + 4);
      expect(write(join(home, path), 'hide')).toEqual([told]);
    }
    expect(write(`${release}/log`, `from:${home}/state/../../other`)).toEqual([
      expect.stringContaining('expected ro, rw, hide, tmpfs[:SIZE] or [ro:|rw:]from:/other (absolute)'),
    ]);
  });

  it.each([
    'ro',
    'rw',
    'from:/etc/shadow',
    'from:STATE/log',
    'rw:from:STATE/log',
    'ro:from:RELEASE',
    'rw:from:RELEASE/data',
  ])('show nothing, not even of its own directories: %s', (value) => {
    const root = appRoot({});
    const home = `${root}/var/lib/metactl/apps/myapp`;
    const real = value.replace('RELEASE', `${home}/releases/r1`).replace('STATE', `${home}/state`);
    for (const path of [`${home}/releases/r1`, `${home}/releases/r1/x`, `${home}/state/x`]) {
      put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', mount(path, real));
      expect(inspectRoot(root).lines).toEqual(
        [
          `.metactl:3:${path.length + 4}: found the mount ${quoted(path, 1000)} = ${quoted(real)} in .metactl, expected hide or tmpfs: ` +
            `an application may only take away; move it to ${NODE}, or set [trust] application = full there`,
        ].map((line) => line.replaceAll(root, '')),
      );
      put(root, 'etc/metactl/nodes/myapp.conf', '[trust]\napplication = full\n');
      expect(inspectRoot(root).lines).toEqual([]);
      put(root, 'etc/metactl/nodes/myapp.conf', '');
    }
  });

  const ofApplication = (value: string, node: string) => {
    const root = appRoot({ node });
    const home = `${root}/var/lib/metactl/apps/myapp`;
    put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', mount(`${home}/state/big`, value));
    return inspectRoot(root).lines.map((line) =>
      line.replace(/found `\S+big`/, 'found `big`').replace(/:3:\d+:/, ':3:'),
    );
  };

  it.each([
    ['tmpfs:900g', undefined, '256m'],
    ['tmpfs:257m', undefined, '256m'],
    ['tmpfs:17m', '16m', '16m'],
    // What it gets without a size.
    ['tmpfs', '16m', '16m'],
  ])('no larger than /tmp: %s with tmp-size %s', (value, size, bound) => {
    const node = size === undefined ? '' : `[sandbox]\ntmp-size = ${size}\n`;
    const by = size === undefined ? 'the built-in default' : '/etc/metactl/nodes/myapp.conf:2';
    expect(ofApplication(value, node)).toEqual([
      `.metactl:3: found \`big\` = \`${value}\` from .metactl, expected at most ${bound} ([sandbox] tmp-size, ${by}): ` +
        `an application may only ask for less; set it in ${NODE}, or set [trust] application = full there`,
    ]);
    expect(ofApplication(value, `[trust]\napplication = full\n${node}`)).toEqual([]);
    expect(inspect({ node: `${mount('/srv/big', value)}${node}` }).lines).toEqual([]);
  });

  it.each([
    ['tmpfs:256m', ''],
    ['tmpfs', ''],
    ['tmpfs:900g', '[sandbox]\ntmp-size = 1t\n'],
    ['tmpfs:16m', '[sandbox]\ntmp-size = 16m\n'],
  ])('as large as /tmp: %s', (value, node) => expect(ofApplication(value, node)).toEqual([]));

  it('beside its own directories', () => {
    const other = '/var/lib/metactl/apps/myapp-2/state';
    expect(inspect({ application: mount(other, 'hide') }).lines).toEqual([outside(other, other.length + 4)]);
    expect(isWithin('/a/b/../../c', ['/a/b'])).toBe(false);
    expect(inspect({ application: mount('/var/lib/metactl/apps/myapp/state/../../other', 'ro') }).lines).toEqual([
      '.metactl:3:1: found the key `/var/lib/metactl/apps/myapp/state/../../other` in [sandbox.mounts], expected an absolute path, without . and .. and a slash at its end',
    ]);
  });
});

describe('the mounts of .metactl', () => {
  const mounts = (root: string, count: number) =>
    `[sandbox.mounts]\n${Array.from({ length: count }, (_, at) => `${root}/var/lib/metactl/apps/myapp/state/d${at} = hide\n`).join('')}`;
  function lines(count: number, node = '', layer: 'application' | 'node' = 'application') {
    const root = appRoot({ node });
    if (layer === 'node') put(root, 'etc/metactl/nodes/myapp.conf', mounts(root, count));
    else put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', mounts(root, count), 0o644);
    return inspectRoot(root).lines;
  }

  it('are at most 64, beside those of administrators', () => {
    expect(lines(64, '[sandbox.mounts]\n/srv/a = ro\n')).toEqual([]);
    expect(lines(65)).toEqual([
      expect.stringMatching(/^\.metactl:66:\d+: found more than 64 mounts of \.metactl, expected at most that many; /),
    ]);
    expect(lines(65, '', 'node')).toEqual([]);
    expect(lines(65, '[trust]\napplication = full\n')).toEqual([]);
  });
});
