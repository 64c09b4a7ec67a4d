import { describe, expect, it } from 'vitest';
import { DAEMON } from '../../../src/config/schema/daemon.ts';
import { keySpec } from '../../../src/config/schema/index.ts';
import type { Value } from '../../../src/config/types.ts';
import { readValue } from '../../../src/config/values.ts';
import { platformNamed, platforms } from '../../../src/platform/index.ts';
import { fakeConfig } from './fake-config.ts';

const context = { app: 'myapp', daemon: 'web', ownNetwork: false };

function command(platform: string, keys: Record<string, Value>) {
  const config = fakeConfig({ 'daemon.web': { platform, ...keys } });
  return platformNamed(platform).command(config, 'web', context);
}

describe('the list of platforms', () => {
  it('has exec, node, jvm and jetty6 to jetty12', () => {
    const jettys = [6, 7, 8, 9, 10, 11, 12].map((version) => `jetty${version}`);
    expect(platforms.map(({ name }) => name)).toEqual(['exec', 'node', 'jvm', ...jettys]);
  });

  it('refuses a name it does not know and lists those it does', () => {
    expect(() => platformNamed('jetty5')).toThrow(
      expect.objectContaining({
        message: 'there is no platform `jetty5`',
        code: 'METACTL_UNKNOWN_PLATFORM',
        hint: 'the platforms are exec node jvm jetty6 jetty7 jetty8 jetty9 jetty10 jetty11 jetty12',
        exitStatus: 78,
      }),
    );
  });

  it.each(platforms.map((platform) => [platform.name, platform] as const))(
    '%s describes its keys',
    (_name, platform) => {
      const names = platform.keys.flatMap(({ key, aliases = [] }) => [key, ...aliases]);
      expect(new Set(names).size).toBe(names.length);
      for (const { doc } of platform.keys) expect(doc).toMatch(/\.$/);
      for (const [key, value] of Object.entries(platform.defaults(context))) {
        const common = keySpec(DAEMON.keys, key);
        expect(common !== undefined || names.includes(key), key).toBe(true);
        if (common !== undefined) expect(readValue(common, value)).toBeDefined();
      }
    },
  );

  it('takes the statuses with which a JVM obeys a signal for success, on Java platforms only', () => {
    for (const platform of platforms) {
      const java = platform.keys.some(({ key }) => key === 'jvm.home');
      expect(platform.defaults(context)['success-exit-status']).toBe(java ? '129 130 143' : undefined);
    }
  });

  it('gives every jvm key its old name', () => {
    const keys = platformNamed('jvm').keys.filter(({ key }) => key.startsWith('jvm.'));
    expect(keys).toHaveLength(10);
    for (const { key, aliases } of keys) expect(aliases).toEqual([key.replace('jvm.', 'java.')]);
  });
});

describe('platform exec', () => {
  it('leaves a name to PATH and puts a path into the app directory', () => {
    expect(command('exec', { command: ['python3', 'a b'] })).toEqual({ argv: ['python3', 'a b'], env: {}, needs: [] });
    const { argv, needs } = command('exec', { command: ['bin/serve', '-p', '80'] });
    expect(argv).toEqual(['/srv/myapp/bin/serve', '-p', '80']);
    expect(needs).toMatchObject([{ path: '/srv/myapp/bin/serve', kind: 'executable', origin: { line: 2 } }]);
    expect(command('exec', { command: ['/usr/bin/env'] }).argv).toEqual(['/usr/bin/env']);
  });

  it('refuses a daemon without command', () => {
    const message = '/n.conf:1: [daemon.web] has no `command`';
    expect(() => command('exec', {})).toThrow(expect.objectContaining({ message, exitStatus: 78 }));
    expect(() => command('exec', { command: [''] })).toThrow(expect.objectContaining({ message }));
  });
});

describe('platform node', () => {
  it('starts what package.json names', () => {
    const { argv, needs } = command('node', {});
    expect(argv).toEqual(['node', '/srv/myapp']);
    expect(needs).toMatchObject([{ path: '/srv/myapp', kind: 'directory' }]);
  });

  it('takes a script, its arguments, options, a heap and a home', () => {
    const { argv, needs } = command('node', {
      'node.script': ['server.mjs', '8080'],
      'node.arguments': ['-v'],
      'node.options': ['--enable-source-maps'],
      'node.heap.max': 512 * 1024 ** 2,
      'node.home': '/opt/node24',
    });
    const options = ['--max-old-space-size=512', '--enable-source-maps'];
    expect(argv).toEqual(['/opt/node24/bin/node', ...options, '/srv/myapp/server.mjs', '8080', '-v']);
    expect(needs.map(({ path }) => path)).toEqual(['/srv/myapp/server.mjs', '/opt/node24/bin/node']);
  });

  it('refuses a heap that is not whole mebibytes and a command', () => {
    const message = '/n.conf:2: [daemon.web] node.heap.max: expected a whole number of mebibytes';
    for (const heap of [1000, 0, Number.POSITIVE_INFINITY, 1024 ** 2 + 1]) {
      expect(() => command('node', { 'node.heap.max': heap })).toThrow(
        expect.objectContaining({ message, exitStatus: 78 }),
      );
    }
    expect(() => command('node', { command: ['x'] })).toThrow(
      /^\/n\.conf:2: \[daemon\.web\] command: it belongs to platform exec/,
    );
  });
});
