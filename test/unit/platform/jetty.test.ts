import { describe, expect, it } from 'vitest';
import type { Value } from '../../../src/config/types.ts';
import { platformNamed } from '../../../src/platform/index.ts';
import type { CommandLine } from '../../../src/platform/platform.ts';
import { fakeConfig, withDefaults } from './fake-config.ts';

const STATE = '/var/lib/metactl/apps/myapp/state';
const MADE = `${STATE}/jetty/webapp`;
const IDENTITY = ['-Dmetactl.app=myapp', '-Dmetactl.daemon=webapp'];

type Tree = Readonly<Record<string, readonly string[]>>;
/** An app directory with one WAR. */
const ONE_WAR: Tree = { '/srv/myapp': ['.metactl', 'jobmanager.jar', 'shop.war'] };

function command(name: string, keys: Record<string, Value> = {}, tree: Tree = ONE_WAR, ownNetwork = true): CommandLine {
  const platform = platformNamed(name);
  const context = { app: 'myapp', daemon: 'webapp', ownNetwork, list: (directory: string) => tree[directory] };
  const config = fakeConfig({ 'daemon.webapp': withDefaults(platform, context, keys) });
  return platform.command(config, 'webapp', context);
}

/** Splits what the preparing script is given: the files it makes and the program it becomes. */
function unwrap({ argv }: CommandLine) {
  const [shell, c, script, zero, base, ...rest] = argv;
  expect([shell, c, zero]).toEqual(['/bin/sh', '-c', 'metactl']);
  expect(script).toContain('exec "$@"');
  const end = rest.indexOf('--');
  const files: Record<string, string> = {};
  for (let index = 0; index < end; ) {
    const [kind, path, content] = rest.slice(index) as [string, string, string];
    files[kind === 'directory' ? `${path}/` : path] = kind === 'link' ? `-> ${content}` : content;
    index += kind === 'directory' ? 2 : 3;
  }
  return { base, files, program: rest.slice(end + 1) };
}

describe('platform jetty6', () => {
  it('gives start.jar nothing but configuration files, as the example needs it', () => {
    const { base, files, program } = unwrap(command('jetty6', { 'jvm.heap.max': 256 * 1024 ** 2 }));
    const xml = `${MADE}/webapps.xml`;
    expect(base).toBe(MADE);
    expect(program).toEqual([
      'java',
      '-Xmx256m',
      ...IDENTITY,
      '-Djetty.home=/usr/share/jetty6',
      '-Djetty.port=80',
      `-Djetty.logs=${STATE}/log`,
      '-jar',
      '/usr/share/jetty6/start.jar',
      '/usr/share/jetty6/etc/jetty.xml',
      xml,
    ]);
    expect(Object.keys(files)).toEqual([xml, `${STATE}/log/`]);
    expect(files[xml]).toContain('<Configure id="Server" class="org.mortbay.jetty.Server">');
    expect(files[xml]).toContain('<New class="org.mortbay.jetty.webapp.WebAppContext">');
    expect(files[xml]).toContain('<Set name="contextPath">/</Set>');
    expect(files[xml]).toContain('<Set name="war">/srv/myapp/shop.war</Set>');
  });

  it('takes a library, properties and further configuration files', () => {
    const { program } = unwrap(
      command('jetty6', {
        'jetty.home': '/opt/j6',
        'jetty.lib': 'ext',
        'jetty.properties': ['a=b'],
        'jetty.xml': ['etc/jetty.xml', '/etc/x.xml'],
        'jetty.arguments': ['/y.xml'],
        'http.port': 8181,
      }),
    );
    expect(program.slice(4)).toEqual([
      '-Djetty.port=8181',
      `-Djetty.logs=${STATE}/log`,
      '-Djetty.lib=/srv/myapp/ext',
      '-Da=b',
      '-jar',
      '/opt/j6/start.jar',
      '/opt/j6/etc/jetty.xml',
      '/etc/x.xml',
      `${MADE}/webapps.xml`,
      '/y.xml',
    ]);
  });

  it('has no keys for what start.jar of Jetty 6 does not know', () => {
    const keys = platformNamed('jetty6').keys.map(({ key }) => key);
    expect(keys).not.toContain('jetty.ini');
    expect(keys).not.toContain('jetty.base');
    expect(keys).not.toContain('jetty.environment');
  });
});

describe.each(['jetty7', 'jetty8'])('platform %s', (name) => {
  it('keeps start.ini out and names its options', () => {
    const { files, program } = unwrap(command(name, { 'jetty.properties': ['a=b'], 'jetty.lib': '/opt/lib' }));
    expect(program).toEqual([
      'java',
      ...IDENTITY,
      `-Djetty.home=/usr/share/${name}`,
      '-Djetty.port=80',
      `-Djetty.logs=${STATE}/log`,
      '-jar',
      `/usr/share/${name}/start.jar`,
      '--ini=/dev/null',
      'lib=/opt/lib',
      'OPTIONS=Server,jsp,resources,ext',
      'a=b',
      `/usr/share/${name}/etc/jetty.xml`,
      `${MADE}/webapps.xml`,
    ]);
    expect(files[`${MADE}/webapps.xml`]).toContain('<Configure id="Server" class="org.eclipse.jetty.server.Server">');
    expect(files[`${MADE}/webapps.xml`]).toContain('<New class="org.eclipse.jetty.webapp.WebAppContext">');
  });
});

describe.each(['jetty9', 'jetty10', 'jetty11'])('platform %s', (name) => {
  it('says everything but the context on the command line', () => {
    const { base, files, program } = unwrap(command(name));
    expect(base).toBe(MADE);
    expect(program).toEqual([
      'java',
      ...IDENTITY,
      '-jar',
      `/usr/share/${name}/start.jar`,
      `jetty.home=/usr/share/${name}`,
      `jetty.base=${MADE}`,
      '--module=http,deploy,annotations,jsp,jstl,websocket',
      'jetty.http.port=80',
      'jetty.deploy.scanInterval=0',
    ]);
    const directories = [`${MADE}/webapps/`, `${MADE}/work/`, `${STATE}/log/`];
    expect(Object.keys(files)).toEqual([...directories, `${MADE}/logs`, `${MADE}/webapps/root.xml`]);
    expect(files[`${MADE}/logs`]).toBe(`-> ${STATE}/log`);
    expect(files[`${MADE}/webapps/root.xml`]).toContain('<Configure class="org.eclipse.jetty.webapp.WebAppContext">');
  });

  it('takes options, a library, an ini file and arguments', () => {
    const { program } = unwrap(
      command(name, {
        'jetty.options': ['http', 'deploy', 'gzip'],
        'jetty.properties': ['jetty.http.idleTimeout=5000'],
        'jetty.lib': 'ext',
        'jetty.ini': '/etc/j.ini',
        'jetty.xml': ['etc/x.xml'],
        'jetty.arguments': ['--debug'],
      }),
    );
    expect(program).toContain('--module=http,deploy,gzip');
    expect(program.slice(-5)).toEqual([
      'jetty.http.idleTimeout=5000',
      '--lib=/srv/myapp/ext/*.jar',
      '--commands=/etc/j.ini',
      `/usr/share/${name}/etc/x.xml`,
      '--debug',
    ]);
  });

  it('leaves a base of your own alone and needs no script for it', () => {
    const { argv, needs } = command(name, { 'jetty.base': 'base' }, {});
    const home = `/usr/share/${name}`;
    const rest = [`jetty.home=${home}`, 'jetty.base=/srv/myapp/base', 'jetty.http.port=80'];
    expect(argv).toEqual(['java', ...IDENTITY, '-jar', `${home}/start.jar`, ...rest]);
    expect(needs.map(({ path }) => path)).toEqual([home, `${home}/start.jar`, '/srv/myapp/base']);
  });

  it('adds a web application to a base of your own', () => {
    const { program, files } = unwrap(command(name, { 'jetty.base': 'base', 'jetty.webapp': 'a.war' }));
    expect(program.slice(-5)).toEqual([
      'jetty.base=/srv/myapp/base',
      '--module=deploy',
      'jetty.http.port=80',
      `jetty.deploy.monitoredPath=${MADE}/webapps`,
      'jetty.deploy.scanInterval=0',
    ]);
    expect(Object.keys(files)).toEqual([`${MADE}/webapps/`, `${MADE}/webapps/root.xml`]);
  });
});

describe('platform jetty12', () => {
  it.each([
    ['ee10', {}],
    ['ee8', { 'jetty.environment': 'ee8' }],
  ] as const)('deploys into the environment %s', (environment, keys) => {
    const { files, program } = unwrap(command('jetty12', keys));
    const modules = ['deploy', 'annotations', 'jsp', 'jstl'].map((module) => `${environment}-${module}`);
    expect(program).toContain(`--module=http,${modules.join(',')}`);
    expect(files[`${MADE}/webapps/root.properties`]).toBe(`environment=${environment}\n`);
    expect(files[`${MADE}/webapps/root.xml`]).toContain(
      `class="org.eclipse.jetty.${environment}.webapp.WebAppContext"`,
    );
  });

  it('tells a base of your own where the context is, by the names of 12.0 and 12.1', () => {
    const { program } = unwrap(command('jetty12', { 'jetty.base': 'base', 'jetty.webapp': 'a.war' }));
    expect(program).toContain('--module=ee10-deploy');
    expect(program).toContain(`jetty.deploy.monitoredDir=${MADE}/webapps`);
    expect(program).toContain(`jetty.deploy.webappsDir=${MADE}/webapps`);
  });

  it('takes options in place of the modules of the environment', () => {
    expect(unwrap(command('jetty12', { 'jetty.options': ['http', 'ee10-deploy'] })).program).toContain(
      '--module=http,ee10-deploy',
    );
  });
});

describe('every jetty', () => {
  it('listens on 80 where the app has an address, else on 8080', () => {
    expect(unwrap(command('jetty9')).program).toContain('jetty.http.port=80');
    expect(unwrap(command('jetty9', {}, ONE_WAR, false)).program).toContain('jetty.http.port=8080');
    const bare = fakeConfig({ 'daemon.webapp': { platform: 'jetty9', 'jetty.base': '/b' } });
    const context = { app: 'myapp', daemon: 'webapp', ownNetwork: true };
    expect(platformNamed('jetty9').command(bare, 'webapp', context).argv).toContain('jetty.http.port=80');
  });

  it('lists what must be there, with the place that named it', () => {
    const { needs } = command('jetty8', {
      'jetty.webapp': 'dir',
      'jvm.home': '/opt/jdk',
      'jetty.lib': 'ext',
      'jetty.ini': '/i',
    });
    const all = needs.map(({ path, what, kind }) => `${kind} ${path} (${what})`);
    expect(all).toEqual([
      'executable /opt/jdk/bin/java (java program)',
      'directory /usr/share/jetty8 (Jetty home)',
      'file /usr/share/jetty8/start.jar (Jetty starter)',
      'file /i (ini file)',
      'directory /srv/myapp/ext (directory of jars)',
      'directory /srv/myapp/dir (web application)',
    ]);
    expect(needs.at(-1)?.origin).toMatchObject({ file: '/n.conf', line: 2 });
    expect(needs[1]?.hint).toBe('install jetty8, or set jetty.home to where it is');
  });

  it('asks for a web application where the app directory has none', () => {
    const { needs } = command('jetty9', {}, { '/srv/myapp': ['jobmanager.jar'] });
    expect(needs.at(-1)).toEqual({
      path: '/srv/myapp/ROOT.war',
      what: 'web application',
      kind: 'file',
      hint: 'set jetty.webapp; /srv/myapp has no WEB-INF, no *.war and no webapps directory with one',
    });
  });

  it('writes names into XML as text', () => {
    const { files } = unwrap(command('jetty9', { 'jetty.webapp': 'a"><b>&\u0001.war' }));
    expect(files[`${MADE}/webapps/root.xml`]).toContain(
      '<Set name="war">/srv/myapp/a&quot;&gt;&lt;b&gt;&amp;?.war</Set>',
    );
  });

  it.each<[string, Record<string, Value>, Tree, string]>([
    ['port 0', { 'http.port': 0 }, ONE_WAR, 'http.port: found `0`, expected a port from 1 to 65535'],
    ['port 65536', { 'http.port': 65536 }, ONE_WAR, 'http.port: found `65536`, expected a port from 1 to 65535'],
    [
      'a context path that is none',
      { 'jetty.context-path': 'shop/' },
      ONE_WAR,
      'jetty.context-path: found `shop/`, expected a path such as / or /shop',
    ],
    [
      'one context path for two applications',
      { 'jetty.context-path': '/shop' },
      { '/srv/myapp': ['a.war', 'b.war'] },
      'jetty.context-path: there are 2 web applications in /srv/myapp',
    ],
    [
      'a property that is none',
      { 'jetty.properties': ['x'] },
      ONE_WAR,
      'jetty.properties: found `x`, expected name=value',
    ],
    [
      'a command',
      { command: ['x'] },
      ONE_WAR,
      'command: it belongs to platform exec, but the daemon has platform jetty9',
    ],
  ])('refuses %s', (_what, keys, tree, message) => {
    expect(() => command('jetty9', keys, tree)).toThrow(
      expect.objectContaining({
        message: `/n.conf:2: [daemon.webapp] ${message}`,
        exitStatus: 78,
        hint: expect.any(String),
      }),
    );
  });
});
