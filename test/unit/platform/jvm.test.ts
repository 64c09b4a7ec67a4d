import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Value } from '../../../src/config/types.ts';
import { platformNamed } from '../../../src/platform/index.ts';
import { javaSize } from '../../../src/platform/java.ts';
import { fakeConfig } from './fake-config.ts';

const context = { app: 'myapp', daemon: 'job', ownNetwork: true };
const identity = ['-Dmetactl.app=myapp', '-Dmetactl.daemon=job'];

function command(
  keys: Record<string, Value>,
  environment: Record<string, string> = {},
  mounts: Record<string, Value> = {},
) {
  const config = fakeConfig({ 'daemon.job': { platform: 'jvm', ...keys }, 'sandbox.mounts': mounts }, environment);
  return platformNamed('jvm').command(config, 'job', context);
}

describe('platform jvm', () => {
  it('runs the jar of the example with its port and heap', () => {
    const { argv, env, needs } = command({ 'jvm.jar': ['jobmanager.jar', '9001'], 'jvm.heap.max': 128 * 1024 ** 2 });
    expect(argv).toEqual(['java', '-Xmx128m', ...identity, '-jar', '/srv/myapp/jobmanager.jar', '9001']);
    expect(env).toEqual({});
    expect(needs).toEqual([
      {
        path: '/srv/myapp/jobmanager.jar',
        what: 'jar',
        kind: 'file',
        origin: { layer: 'node', file: '/n.conf', line: 2, column: 1 },
      },
    ]);
  });

  it('keeps an absolute jar, adds arguments after its own and lets options win', () => {
    const { argv } = command({
      'jvm.jar': ['/opt/job.jar', 'a'],
      'jvm.arguments': ['b c'],
      'jvm.properties': ['x=1', 'y=a b'],
      'jvm.options': ['-Xmx1g'],
      'jvm.heap.max': 3000,
      'jvm.heap.min': 2048,
    });
    const heap = ['-Xmx3000', '-Xms2k'];
    expect(argv).toEqual([
      'java',
      ...heap,
      ...identity,
      '-Dx=1',
      '-Dy=a b',
      '-Xmx1g',
      '-jar',
      '/opt/job.jar',
      'a',
      'b c',
    ]);
  });

  it('runs a main class with a class path relative to the app directory', () => {
    const { argv, needs } = command({ 'jvm.main': 'a.B', 'jvm.classpath': 'lib/*:conf:x.jar:/opt/y.jar' });
    expect(argv.slice(3)).toEqual(['-cp', '/srv/myapp/lib/*:/srv/myapp/conf:/srv/myapp/x.jar:/opt/y.jar', 'a.B']);
    expect(needs.map(({ path, kind }) => [path, kind])).toEqual([
      ['/srv/myapp/lib', 'directory'],
      ['/srv/myapp/x.jar', 'file'],
      ['/opt/y.jar', 'file'],
    ]);
  });

  it('takes java from jvm.java, else jvm.home, else JAVA_HOME, else PATH', () => {
    const jar = { 'jvm.jar': ['j.jar'] };
    const home = { JAVA_HOME: '/opt/jdk11' };
    expect(command({ ...jar, 'jvm.java': '/x/java', 'jvm.home': '/opt/jdk8' }, home).argv[0]).toBe('/x/java');
    expect(command({ ...jar, 'jvm.java': 'java21' }, home).argv[0]).toBe('java21');
    const byHome = command({ ...jar, 'jvm.home': '/opt/jdk8' }, home);
    expect(byHome.argv[0]).toBe('/opt/jdk8/bin/java');
    expect(byHome.env).toEqual({ JAVA_HOME: '/opt/jdk8' });
    expect(byHome.needs[0]).toMatchObject({ path: '/opt/jdk8/bin/java', kind: 'executable', origin: { line: 3 } });
    expect(command(jar, home).argv[0]).toBe('/opt/jdk11/bin/java');
    expect(command(jar, { JAVA_HOME: '' }).argv[0]).toBe('java');
  });

  it('does not look on the host for what a mount puts there', () => {
    const jar = { 'jvm.jar': ['/data/j.jar'] };
    expect(command(jar, {}, { '/data': 'ro:from:/srv/x' }).needs).toEqual([]);
    expect(command(jar, {}, { '/data': 'tmpfs:1m' }).needs).toEqual([]);
    expect(command(jar, {}, { '/data': 'rw' }).needs).toHaveLength(1);
    expect(command(jar, {}, { '/data2': 'from:/srv/x' }).needs).toHaveLength(1);
  });

  it.each<[string, Record<string, Value>, string]>([
    ['nothing to run', {}, '/n.conf:1: [daemon.job] has no `jvm.jar`'],
    ['jar and main', { 'jvm.jar': ['j'], 'jvm.main': 'M' }, '/n.conf:3: [daemon.job] jvm.main: jvm.jar is set too'],
    [
      'jar and class path',
      { 'jvm.jar': ['j'], 'jvm.classpath': 'c' },
      '/n.conf:3: [daemon.job] jvm.classpath: java ignores it together with jvm.jar',
    ],
    ['main alone', { 'jvm.main': 'M' }, '/n.conf:2: [daemon.job] jvm.main: jvm.classpath is not set'],
    [
      'a command',
      { command: ['x'], 'jvm.jar': ['j'] },
      '/n.conf:2: [daemon.job] command: it belongs to platform exec, but the daemon has platform jvm',
    ],
    [
      'a relative java',
      { 'jvm.java': 'jdk/bin/java', 'jvm.jar': ['j'] },
      '/n.conf:2: [daemon.job] jvm.java: found `jdk/bin/java`, expected a name in PATH or an absolute path',
    ],
    [
      'an endless heap',
      { 'jvm.heap.max': Number.POSITIVE_INFINITY, 'jvm.jar': ['j'] },
      '/n.conf:2: [daemon.job] jvm.heap.max: expected a size above 0',
    ],
    [
      'a minimum above the maximum',
      { 'jvm.heap.max': 1024 ** 2, 'jvm.heap.min': 1024 ** 3, 'jvm.jar': ['j'] },
      '/n.conf:3: [daemon.job] jvm.heap.min: 1g is more than jvm.heap.max, which is 1m',
    ],
    [
      'a property that is none',
      { 'jvm.properties': ['a=b', '-Dc=d', 'e'], 'jvm.jar': ['j'] },
      '/n.conf:2: [daemon.job] jvm.properties: found `e`, expected name=value',
    ],
  ])('refuses %s', (_what, keys, message) => {
    expect(() => command(keys)).toThrow(expect.objectContaining({ message, exitStatus: 78, hint: expect.any(String) }));
  });

  it('refuses a relative JAVA_HOME', () => {
    const message = '[daemon.job] jvm.home: found `jdk` (JAVA_HOME), expected an absolute path';
    expect(() => command({ 'jvm.jar': ['j'] }, { JAVA_HOME: 'jdk' })).toThrow(expect.objectContaining({ message }));
  });

  it('prints sizes that java reads as the same number of bytes', () => {
    const units: Record<string, number> = { g: 1024 ** 3, m: 1024 ** 2, k: 1024, '': 1 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 45 }), fc.constantFrom(1, 1024, 1024 ** 2), (count, unit) => {
        const bytes = Math.ceil(count / unit) * unit;
        const [, digits, suffix] = /^(\d+)([gmk]?)$/.exec(javaSize(bytes)) ?? [];
        expect(Number(digits) * units[suffix ?? '?']!).toBe(bytes);
      }),
    );
    expect(javaSize(256 * 1024 ** 2)).toBe('256m');
  });
});
