import { chmodSync, cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectDaemons, listApps, loadApp, requireBuilt } from '../../../src/config/load.ts';
import { inspectNode } from '../../../src/config/node-config.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot, fakePlatforms, put, scratchRoot, shorten, thrown } from './root.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/config/myapp');

describe('the example app', () => {
  function example() {
    const root = appRoot({});
    cpSync(join(FIXTURE, '.metactl'), join(root, 'var/lib/metactl/apps/myapp/current/.metactl'));
    cpSync(join(FIXTURE, 'nodes'), join(root, 'etc/metactl/nodes'), { recursive: true });
    cpSync(join(FIXTURE, 'site'), join(root, 'etc/metactl/site'), { recursive: true });
    for (const directory of ['nodes', 'site']) chmodSync(join(root, 'etc/metactl', directory, 'myapp.conf'), 0o600);
    return { root, config: loadApp(pathsFor(root), 'myapp', fakePlatforms) };
  }

  it('loads unchanged', () => {
    const { root, config } = example();
    expect(config.daemons).toEqual(['webapp', 'jobmanager']);
    const paths = pathsFor(root);
    expect(inspectDaemons(paths, 'myapp', inspectNode(paths).node)).toEqual(['webapp', 'jobmanager']);
    expect(config.directory).toBe(`${root}/var/lib/metactl/apps/myapp/releases/r1`);
    expect(config.stateDirectory).toBe(`${root}/var/lib/metactl/apps/myapp/state`);
    expect(config.logDirectory).toBe(`${root}/var/lib/metactl/apps/myapp/state/log`);
    expect(config.files.map((file) => shorten(file, root))).toEqual([
      '.metactl',
      '/etc/metactl/site/myapp.conf',
      '/etc/metactl/nodes/myapp.conf',
    ]);
    expect(config.sections()).toEqual(['env', 'daemon.webapp', 'daemon.jobmanager', 'crontab', 'build']);
    expect(config.text('daemon.webapp', 'platform')).toBe('jetty6');
    expect(config.number('daemon.webapp', 'jvm.heap.max')).toBe(256 * 2 ** 20);
    expect(config.environment('webapp')).toEqual({
      JOB_MANAGER_PORT: '9001',
      DB_URL: 'mysql://myapp:secret@mysql-prod.example.org/myapp',
    });
    expect(config.section('crontab').map(({ key }) => key)).toEqual(['daily housekeeping', 'harvest data on mondays']);
  });

  it('has the node’s port in the application’s command line, with the chain of origins', () => {
    const { root, config } = example();
    const setting = config.setting('daemon.jobmanager', 'jvm.jar')!;
    expect(setting.value).toEqual(['jobmanager.jar', '9001']);
    expect(setting).toMatchObject({
      raw: 'jobmanager.jar %(JOB_MANAGER_PORT)',
      text: 'jobmanager.jar 9001',
      trust: 'application',
    });
    expect(shorten(setting.origin.file, root)).toBe('.metactl');
    expect(setting.origin).toMatchObject({ layer: 'application', line: 10, column: 11 });
    expect(setting.chain).toEqual([
      {
        name: 'JOB_MANAGER_PORT',
        text: '9001',
        masked: '9001',
        secret: false,
        origin: { layer: 'node', file: `${root}/etc/metactl/nodes/myapp.conf`, line: 3, column: 20 },
        overridden: [
          {
            raw: '9000',
            origin: expect.objectContaining({ layer: 'application', line: 2, column: 20 }),
          },
        ],
      },
    ]);
  });

  it('masks the password', () =>
    expect(example().config.setting('env', 'DB_URL')).toMatchObject({
      secret: true,
      masked: 'mysql://myapp:***@mysql-prod.example.org/myapp',
    }));

  it('asks for nothing that must be refused, and notes the rest', () => {
    const { root, config } = example();
    expect(() => requireBuilt(config)).not.toThrow();
    expect(config.unbuilt.note.map(({ file, line, message }) => [shorten(file, root), line, message])).toEqual([
      [
        '.metactl',
        14,
        '`[crontab] daily housekeeping` = `5 0 * * * curl http://localhost/housekeeping` is not in this version of metactl',
      ],
      [
        '.metactl',
        15,
        '`[crontab] harvest data on mondays` = `10 0 * * 1 java -jar harvest.jar` is not in this version of metactl',
      ],
      [
        '/etc/metactl/site/myapp.conf',
        5,
        '`[build] repo` = `svn://svn.example.org/myapp` is not in this version of metactl',
      ],
      ['/etc/metactl/site/myapp.conf', 6, '`[build] tag` = `1.2.3` is not in this version of metactl'],
    ]);
    expect(config.warnings).toEqual(config.unbuilt.note);
  });
});

describe('--no-sandbox', () => {
  it('is a layer above all others', () => {
    const root = appRoot({ node: '[sandbox]\nenabled = yes\n[env]\nA = 1\n' });
    const config = loadApp(pathsFor(root), 'myapp', fakePlatforms, { sandbox: false });
    expect(config.flag('sandbox', 'enabled')).toBe(false);
    expect(config.setting('sandbox', 'enabled')).toMatchObject({
      origin: { file: '--no-sandbox' },
      overridden: [{ raw: 'yes' }],
    });
    expect(config.files.map((file) => shorten(file, root))).toEqual(['/etc/metactl/nodes/myapp.conf']);
  });

  it('leaves no address', () => {
    const root = appRoot({ node: '[env]\nA = %(ip)\n' });
    expect(thrown(() => loadApp(pathsFor(root), 'myapp', fakePlatforms, { sandbox: false })).message).toContain(
      'found %(ip), but this app has no address of its own: [sandbox] enabled = no',
    );
  });
});

describe('apps', () => {
  it('that are not there end in status 4', () => {
    const root = scratchRoot();
    put(root, 'etc/metactl/site/_defaults.conf', '[env]\n');
    const error = thrown(() => loadApp(pathsFor(root), 'myapp', fakePlatforms));
    expect(error).toMatchObject({
      code: 'METACTL_NO_SUCH_APP',
      message: 'there is no app `myapp`',
      hint: 'create it with metactl new myapp',
      exitStatus: 4,
    });
  });

  it.each([
    'My-App',
    '',
    '-x',
    'x-',
    'a'.repeat(32),
    '../x',
    'x/y',
    'x\0',
    'run',
    'all',
    '_defaults',
    'site',
    '__proto__',
  ])('can not be called %j', (name) => {
    const error = thrown(() => loadApp(pathsFor(scratchRoot()), name, fakePlatforms));
    expect(error).toMatchObject({ code: 'METACTL_BAD_NAME', exitStatus: 2 });
  });

  it('are listed from all places', () => {
    const root = appRoot({ node: '', defaults: '' });
    put(root, 'etc/metactl/site/other.conf', '');
    put(root, 'etc/metactl/nodes/Bad_Name.conf', '');
    put(root, 'etc/metactl/nodes/notes.txt', '');
    mkdirSync(join(root, 'var/lib/metactl/apps/third'));
    expect(listApps(pathsFor(root))).toEqual(['myapp', 'other', 'third']);
    expect(listApps(pathsFor(scratchRoot()))).toEqual([]);
  });
});
