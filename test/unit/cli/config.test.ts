import { chmodSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { register } from '../../../src/cli/config.ts';
import { platforms } from '../../../src/platform/index.ts';
import { runVerb } from '../config/cli.ts';
import { appRoot, put } from '../config/root.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/config/myapp');

function example(): string {
  const root = appRoot({});
  cpSync(join(FIXTURE, '.metactl'), join(root, 'var/lib/metactl/apps/myapp/current/.metactl'));
  for (const layer of ['nodes', 'site']) {
    cpSync(join(FIXTURE, layer), join(root, 'etc/metactl', layer), { recursive: true });
    chmodSync(join(root, 'etc/metactl', layer, 'myapp.conf'), 0o600);
  }
  return root;
}

const config = (root: string, ...argv: string[]) => runVerb(register, root, ...argv);

describe('metactl config', () => {
  it('prints the merged configuration, the password masked', async () => {
    const { stdout } = await config(example(), 'config', 'myapp');
    expect(
      stdout.startsWith(
        '[env]\nJOB_MANAGER_PORT = 9001\nDB_URL = mysql://myapp:***@mysql-prod.example.org/myapp\n\n[daemon.webapp]\nplatform = jetty6\n',
      ),
    ).toBe(true);
    expect(stdout).toContain('\njvm.jar = jobmanager.jar 9001\n');
    expect(stdout).not.toContain('secret');
  });

  it('--origin tells file and line, and the chain of what was put in', async () => {
    const { stdout } = await config(example(), 'config', 'myapp', '--origin');
    const lines = stdout.split('\n').map((line) => line.replace(/ {2,}#/, '  #'));
    expect(lines).toContain('JOB_MANAGER_PORT = 9001  # nodes/myapp.conf:3 overriding .metactl:2');
    expect(lines).toContain('DB_URL = mysql://myapp:***@mysql-prod.example.org/myapp  # site/myapp.conf:2');
    expect(lines).toContain(
      'jvm.jar = jobmanager.jar 9001  # .metactl:10; %(JOB_MANAGER_PORT) ← nodes/myapp.conf:3 overriding .metactl:2',
    );
    expect(lines).toContain('http.port = 80  # jetty6 default');
  });

  it('--reveal shows passwords', async () => {
    const { stdout } = await config(example(), 'config', 'myapp', 'env:DB_URL', '--reveal');
    expect(stdout).toBe('mysql://myapp:secret@mysql-prod.example.org/myapp\n');
  });

  it.each([
    [['env:DB_URL'], 'mysql://myapp:***@mysql-prod.example.org/myapp\n'],
    [['JOB_MANAGER_PORT'], '9001\n'],
    [['daemon.jobmanager:jvm.jar'], 'jobmanager.jar 9001\n'],
    [['daemon.jobmanager:java.jar'], 'jobmanager.jar 9001\n'],
    [['daemon.jobmanager:restart'], 'on-failure\n'],
    [['jvm.heap.max'], '[daemon.webapp]\njvm.heap.max = 256m\n\n[daemon.jobmanager]\njvm.heap.max = 128m\n'],
    [
      ['build', 'env:JOB_MANAGER_PORT'],
      '[build]\nrepo = svn://svn.example.org/myapp\ntag = 1.2.3\n\n[env]\nJOB_MANAGER_PORT = 9001\n',
    ],
    [['daemon.jobmanager:nice', '--origin'], '[daemon.jobmanager]\nnice = 0  # built-in default\n'],
  ])('%j', async (argv, stdout) => expect((await config(example(), 'config', 'myapp', ...argv)).stdout).toBe(stdout));

  it.each([
    ['env:DB_URI', 'myapp does not set `env:DB_URI`, and it has no default', 'did you mean `env:DB_URL`?'],
    ['xyzzy', 'myapp does not set `xyzzy`, and it has no default', 'metactl config --help-keys lists all keys'],
    ['__proto__', 'myapp does not set `__proto__`, and it has no default', 'metactl config --help-keys lists all keys'],
  ])('%s is not set', async (key, message, hint) => {
    await expect(config(example(), 'config', 'myapp', key)).rejects.toMatchObject({
      code: 'METACTL_NO_SUCH_KEY',
      message,
      hint,
    });
  });

  it('--json has a stable shape', async () => {
    const root = example();
    const { stdout } = await config(root, '--json', 'config', 'myapp', 'daemon.jobmanager:jvm.jar', 'env:DB_URL');
    const home = `${root}/var/lib/metactl/apps/myapp`;
    const application = { layer: 'application', file: `${home}/releases/r1/.metactl` };
    expect(JSON.parse(stdout)).toEqual({
      app: 'myapp',
      directory: `${home}/releases/r1`,
      stateDirectory: `${home}/state`,
      logDirectory: `${home}/state/log`,
      daemons: ['webapp', 'jobmanager'],
      files: [
        `${home}/releases/r1/.metactl`,
        `${root}/etc/metactl/site/myapp.conf`,
        `${root}/etc/metactl/nodes/myapp.conf`,
      ],
      settings: [
        {
          section: 'daemon.jobmanager',
          key: 'jvm.jar',
          value: 'jobmanager.jar 9001',
          raw: 'jobmanager.jar %(JOB_MANAGER_PORT)',
          secret: false,
          trust: 'application',
          origin: { ...application, line: 10, column: 11 },
          overridden: [],
          chain: [
            {
              name: 'JOB_MANAGER_PORT',
              value: '9001',
              secret: false,
              origin: { layer: 'node', file: `${root}/etc/metactl/nodes/myapp.conf`, line: 3, column: 20 },
              overridden: [{ raw: '9000', origin: { ...application, line: 2, column: 20 } }],
            },
          ],
        },
        expect.objectContaining({
          key: 'DB_URL',
          value: 'mysql://myapp:***@mysql-prod.example.org/myapp',
          raw: 'mysql://myapp:***@mysql-prod.example.org/myapp',
          secret: true,
        }),
      ],
      warnings: expect.any(Array),
    });
    expect(stdout).not.toContain('secret@');
  });

  it('shows no secret in what was replaced or put in', async () => {
    const root = appRoot({
      application: '[env]\nDB_PASSWORD = hunter1\n[daemon.web]\ncommand = x\n',
      node: '[env]\nDB_PASSWORD = hunter2\nURL = x:%(DB_PASSWORD)\n',
    });
    for (const argv of [
      ['config', 'myapp', '--origin'],
      ['--json', 'config', 'myapp'],
    ]) {
      const { stdout } = await config(root, ...argv);
      expect(stdout).toContain('x:***');
      expect(stdout).not.toContain('hunter');
    }
    expect((await config(root, 'config', 'myapp', '--reveal')).stdout).toContain('x:hunter2');
  });

  it('escapes what developers wrote', async () => {
    const root = appRoot({ application: '[env]\nA = x\u202ey\u2028z\n' });
    expect((await config(root, 'config', 'myapp')).stdout).toBe('[env]\nA = x\\u202ey\\u2028z\n');
    expect((await config(root, 'config', 'myapp', 'env:A')).stdout).toBe('x\\u202ey\\u2028z\n');
  });

  it('tells that the address comes later', async () => {
    const root = appRoot({ application: '[env]\nA = %(ip) %(app)\n' });
    expect((await config(root, 'config', 'myapp', '--origin')).stdout).toBe(
      '[env]\nA = %(ip) myapp  # .metactl:2; %(ip) ← known when a daemon starts; %(app) ← built in\n',
    );
  });

  it('--help-keys lists all keys, also without an app', async () => {
    const { stdout } = await config('/nonexistent', 'config', '--help-keys');
    expect(stdout).toContain('[daemon.NAME]\n');
    expect(stdout).toContain('memory-max');
    expect(stdout).toContain('metactl.conf [network]');
    for (const { keys } of platforms)
      for (const { key } of keys) expect(stdout).toContain(`  ${key.replace('.*', '.NAME')} `);
  });

  it('wants an app', async () => {
    await expect(config(appRoot({}), 'config')).rejects.toMatchObject({
      message: "error: missing required argument 'app'",
    });
  });

  it('ends with every problem', async () => {
    const root = appRoot({ application: '[daemon.web]\nnice = x\n' });
    put(root, 'etc/metactl/nodes/myapp.conf', '[env\n');
    await expect(config(root, 'config', 'myapp')).rejects.toMatchObject({
      code: 'METACTL_CONFIGURATION',
      exitStatus: 78,
    });
  });
});
