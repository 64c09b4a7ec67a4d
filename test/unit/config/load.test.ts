import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listApps, loadApp, requireBuilt } from '../../../src/config/load.ts';
import type { Problem } from '../../../src/config/types.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot, fakePlatforms, inspect, inspectRoot, put, scratchRoot, shorten } from './root.ts';

const FIXTURE = join(import.meta.dirname, '../../fixtures/config/myapp');

function thrown(action: () => unknown): MetactlError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(MetactlError);
    return error as MetactlError;
  }
  throw new Error('nothing was thrown');
}

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

describe('merging', () => {
  it('takes each key from the highest layer, and keeps what it replaced', () => {
    const { config, lines } = inspect({
      application: '[env]\nA = 1\nB = 1\nC = 1\nD = 1\n',
      defaults: '[env]\nB = 2\nC = 2\nD = 2\n',
      site: '[env]\nC = 3\nD = 3\n',
      node: '[env]\nD = 4\n',
    });
    expect(lines).toEqual([]);
    expect(config.section('env').map(({ key, text }) => `${key}=${text}`)).toEqual(['A=1', 'B=2', 'C=3', 'D=4']);
    expect(config.setting('env', 'D')!.overridden.map(({ raw, origin }) => [raw, origin.layer])).toEqual([
      ['3', 'site'],
      ['2', 'site'],
      ['1', 'application'],
    ]);
  });

  it('lets an empty value unset a key of a lower layer, platform defaults included', () => {
    const { config } = inspect({
      application: '[env]\nA = 1\nB = 1\n[daemon.web]\nplatform = jetty6\nhttp.port =\n',
      node: '[env]\nA =\nB = ""\n',
    });
    expect(config.setting('env', 'A')).toBeUndefined();
    expect(config.setting('env', 'B')!.text).toBe('');
    expect(config.setting('daemon.web', 'http.port')).toBeUndefined();
    expect(config.environment('web')).toEqual({ B: '' });
  });

  it('lets a higher layer set again what a lower one unset', () => {
    const { config } = inspect({ application: '[env]\nA = 1\n', site: '[env]\nA =\n', node: '[env]\nA = 3\n' });
    expect(config.setting('env', 'A')).toMatchObject({ text: '3', overridden: [] });
  });

  it('knows container and java.* by their present names', () => {
    const { config, lines } = inspect({
      application: '[daemon.web]\ncontainer = jvm\njava.heap.max = 1m\njava.properties.x = y\n',
      node: '[daemon.web]\njvm.heap.max = 2m\n',
    });
    expect(lines).toEqual([]);
    expect(config.section('daemon.web').map(({ key, text }) => `${key}=${text}`)).toEqual([
      'platform=jvm',
      'jvm.heap.max=2m',
      'jvm.properties.x=y',
    ]);
    expect(config.number('daemon.web', 'java.heap.max')).toBe(2 * 2 ** 20);
  });

  it('keeps the order and the repetitions of [systemd.*], and replaces them as a whole', () => {
    const { config } = inspect({
      site: '[systemd.Service]\nExecStartPre = a\nNice = 5\nExecStartPre = b\n',
      node: '[systemd.Service]\nExecStartPre = c\nExecStartPre =\nExecStartPre = d\nExecStartPre = e\n',
    });
    expect(config.section('systemd.Service').map(({ key, text }) => `${key}=${text}`)).toEqual([
      'Nice=5',
      'ExecStartPre=d',
      'ExecStartPre=e',
    ]);
  });

  it('shows platform defaults as such', () => {
    const { config } = inspect({
      application: '[daemon.web]\nplatform = jetty6\n',
      node: '[daemon.web]\nhttp.port = 81\n',
    });
    expect(config.setting('daemon.web', 'jetty.log')!.origin).toEqual({
      layer: 'platform',
      file: 'jetty6 default',
      line: 0,
      column: 0,
    });
    expect(config.setting('daemon.web', 'http.port')).toMatchObject({
      value: 81,
      overridden: [{ raw: '80', origin: { file: 'jetty6 default' } }],
    });
  });

  it.each([
    ['', 80],
    ['[sandbox.net]\nmode = none\n', 8080],
    ['[sandbox.net]\nmode = host\n', 8080],
    ['[sandbox.net]\nmode = routed\n', 80],
    ['[sandbox]\nenabled = no\n', 8080],
    ['[sandbox]\nenabled = "off"\n', 8080],
    ['[sandbox]\nenabled = yes\n', 80],
  ])('tells the platform whether the app has a network of its own: %j', (node, port) =>
    expect(
      inspect({ application: '[daemon.web]\nplatform = jetty6\n', node }).config.number('daemon.web', 'http.port'),
    ).toBe(port),
  );
});

describe('values', () => {
  it('have the defaults of the schema, which are not listed', () => {
    const { config } = inspect({ application: '[daemon.web]\n' });
    expect(config.text('daemon.web', 'platform')).toBe('exec');
    expect(config.text('daemon.web', 'restart')).toBe('on-failure');
    expect(config.number('daemon.web', 'restart-sec')).toBe(100);
    expect(config.number('daemon.web', 'umask')).toBe(0o22);
    expect(config.text('daemon.web', 'limit-nofile')).toBe('1024:524288');
    expect(config.text('daemon.web', 'limit-core')).toBeUndefined();
    expect(config.number('daemon.web', 'cpu-weight')).toBeUndefined();
    expect(config.flag('sandbox', 'enabled')).toBe(true);
    expect(config.text('nowhere', 'nothing')).toBeUndefined();
    expect(config.section('daemon.web')).toEqual([]);
  });

  it('are asked for by their type', () => {
    const { config } = inspect({ application: '[daemon.web]\ncommand = a "b c"\n' });
    expect(config.words('daemon.web', 'command')).toEqual(['a', 'b c']);
    expect(() => config.text('daemon.web', 'command')).toThrow(
      new TypeError('[daemon.web] command was asked for as text, which it is not'),
    );
    expect(() => config.flag('daemon.web', 'umask')).toThrow(TypeError);
    expect(() => config.number('daemon.web', 'restart')).toThrow(TypeError);
    expect(() => config.words('daemon.web', 'restart')).toThrow(TypeError);
  });

  it.each([
    ['"a b"', 'a b'],
    ["'a b'", 'a b'],
    ['"a \\"b\\" \\\\ \\n"', 'a "b" \\ \\n'],
    ['"a" "b"', '"a" "b"'],
    ["it's", "it's"],
    ['null', 'null'],
    ['true', 'true'],
    ['%p %% 100% +%F %%(A)', '%p % 100% +%F %(A)'],
  ])('text %s is %s', (raw, text) =>
    expect(inspect({ node: `[env]\nX = ${raw}\n` }).config.setting('env', 'X')!.text).toBe(text),
  );

  it.each([
    ['limit-memlock', '1m', '1048576'],
    ['limit-nofile', '100:200', '100:200'],
    ['limit-cpu', '2min', '120'],
    ['limit-rttime', '20ms', '20000'],
    ['kill-signal', 'TERM', 'SIGTERM'],
    ['kill-signal', 'SIGQUIT', 'SIGQUIT'],
    ['kill-signal', '15', '15'],
  ])('%s = %s is %s', (key, raw, text) =>
    expect(inspect({ node: `[daemon.web]\n${key} = ${raw}\n` }).config.text('daemon.web', key)).toBe(text),
  );
});

describe('problems, each by its exact text', () => {
  const daemon = (line: string) => `[daemon.web]\nplatform = jvm\n${line}\n`;
  it.each([
    [
      'platform = jetyt6',
      '.metactl:2:12: found the platform `jetyt6`, expected one of exec, node, jvm, jetty6; did you mean `jetty6`?',
    ],
    ['platform = tomcat', '.metactl:2:12: found the platform `tomcat`, expected one of exec, node, jvm, jetty6'],
    ['comand = x', '.metactl:2:1: found the key `comand`, expected a key of [daemon.web]; did you mean `command`?'],
    ['xyzzy = x', '.metactl:2:1: found the key `xyzzy`, expected a key of [daemon.web]'],
    [
      'http.port = 80',
      '.metactl:2:1: found the key `http.port`, expected a key of the platform `exec`; `http.port` belongs to `jetty6`',
    ],
    ['nice = fast', '.metactl:2:8: found `fast`, expected a whole number from -20 to 19'],
    ['nice = 20', '.metactl:2:8: found `20`, expected a whole number from -20 to 19'],
    [
      'restart = allways',
      '.metactl:2:11: found `allways`, expected one of no, on-failure, always; did you mean `always`?',
    ],
    [
      'restart-sec = soon',
      '.metactl:2:15: found `soon`, expected a duration such as 500ms, 5s, 2min or 1h of at most 24d',
    ],
    [
      'restart-sec = infinity',
      '.metactl:2:15: found `infinity`, expected a duration such as 500ms, 5s, 2min or 1h of at most 24d',
    ],
    ['memory-max = much', '.metactl:2:14: found `much`, expected a size such as 256m or 2g of at least 1'],
    ['cpu-quota = 2', '.metactl:2:13: found `2`, expected a percentage of one CPU such as 50% or 200%'],
    ['umask = 0999', '.metactl:2:9: found `0999`, expected an octal mode such as 022'],
    ['working-directory = tmp', '.metactl:2:21: found `tmp`, expected an absolute path'],
    ['limit-nofile = 9:8', '.metactl:2:16: found `9:8`, expected N, infinity or SOFT:HARD'],
    ['kill-signal = SIGTREM', '.metactl:2:15: found `SIGTREM`, expected a signal such as SIGTERM'],
    ['success-exit-status = 256', '.metactl:2:23: found `256`, expected exit statuses (0 to 255) and signal names'],
    ['command = a "b', '.metactl:2:11: found `a "b`, expected words without a " that is not closed (character 3)'],
    ['command = ""\\', '.metactl:2:11: found `""\\`, expected words without a backslash at the end (character 3)'],
    [
      'ready = maybe',
      '.metactl:2:9: found `maybe`, expected notify, fd:N, tcp:PORT, http:[PORT]/path, exec:COMMAND or log:REGEX',
    ],
    ['depends-on.db = ready', '.metactl:2:1: found the daemon name `db`, expected a daemon of this app; it has none'],
    ['listen.x = 80', '.metactl:2:12: found `80`, expected tcp:[ADDRESS:]PORT or unix:/path'],
    [
      'container = exec\nplatform = jvm',
      '.metactl:3:1: found both `platform` and `container`, expected only one: they are the same key',
    ],
    ['nice = \u202e1', '.metactl:2:8: found `\\u202e1`, expected a whole number from -20 to 19'],
  ])('[daemon.web] %s', (line, problem) =>
    expect(inspect({ application: `[daemon.web]\n${line}\n` }).lines).toEqual([problem]),
  );

  it.each([
    [
      '[deamon.web]',
      ".metactl:1:2: found the section `[deamon.web]`, expected a section of an app's configuration; did you mean `[daemon.web]`?",
    ],
    ['[enviroment]', ".metactl:1:2: found the section `[enviroment]`, expected a section of an app's configuration"],
    [
      '[daemon]',
      ".metactl:1:2: found the section `[daemon]`, expected a section of an app's configuration; did you mean `[daemon.NAME]`?",
    ],
    [
      '[daemon.]',
      ".metactl:1:2: found the section `[daemon.]`, expected a section of an app's configuration; did you mean `[daemon.NAME]`?",
    ],
    [
      '[daemon.Web]',
      '.metactl:1:2: found the daemon name `Web`, expected a lower-case letter, then up to 30 of a–z, 0–9 and -, not ending in -',
    ],
    [
      '[daemon.web-]',
      '.metactl:1:2: found the daemon name `web-`, expected a lower-case letter, then up to 30 of a–z, 0–9 and -, not ending in -',
    ],
    [
      '[daemon.a.b]',
      '.metactl:1:2: found the daemon name `a.b`, expected a lower-case letter, then up to 30 of a–z, 0–9 and -, not ending in -',
    ],
    ['[daemon.all]', '.metactl:1:2: found the daemon name `all`, which is reserved; expected any other name'],
    ['[daemon.logs]', '.metactl:1:2: found the daemon name `logs`, which is reserved; expected any other name'],
    ['[daemon.web]\n[env.wbe]', '.metactl:2:2: found the daemon name `wbe`, expected one of web; did you mean `web`?'],
    [
      '[crontab]\na b = @daily x\n[cron.a c]',
      '.metactl:3:2: found options for the job `a c`, expected a label of [crontab]; did you mean `a b`?',
    ],
    [
      '[crontab]\nx = often x',
      '.metactl:2:5: found `often x`, expected minute hour day month weekday command, such as 5 0 * * * ./housekeeping',
    ],
    ['[env]\nA-B = 1', '.metactl:2:1: found the key `A-B` in [env], expected a name of letters, digits and _'],
    [
      '[env]\nweb = 1\n[daemon.web]\n[env.web]\nA = 1',
      '.metactl:2:1: found the key `web` in [env] beside the section `[env.web]` (line 4), expected only one of the two',
    ],
    [
      '[firewall.out.accept]\ndb = db.example.org',
      '.metactl:2:6: found `db.example.org`, expected HOST:PORT or a network such as 10.0.0.0/8',
    ],
  ])('%j', (application, problem) => expect(inspect({ application: `${application}\n` }).lines).toEqual([problem]));

  it.each([
    [
      '[sandbox.mounts]\nsrv = ro',
      '/etc/metactl/nodes/myapp.conf:2:1: found the key `srv` in [sandbox.mounts], expected an absolute path, without . and .. and a slash at its end',
    ],
    [
      '[sandbox.mounts]\n/srv/ = ro',
      '/etc/metactl/nodes/myapp.conf:2:1: found the key `/srv/` in [sandbox.mounts], expected an absolute path, without . and .. and a slash at its end',
    ],
    [
      '[sandbox.mounts]\n/srv = from:data',
      '/etc/metactl/nodes/myapp.conf:2:8: found `from:data`, expected ro, rw, hide, tmpfs[:SIZE] or [ro:|rw:]from:/other (absolute)',
    ],
    [
      '[sandbox.mounts]\n/srv = tmpfs:lots',
      '/etc/metactl/nodes/myapp.conf:2:8: found `tmpfs:lots`, expected ro, rw, hide, tmpfs[:SIZE] or [ro:|rw:]from:/other (absolute)',
    ],
    [
      '[sandbox.net]\nip = 10.0.0.256',
      '/etc/metactl/nodes/myapp.conf:2:6: found `10.0.0.256`, expected an IPv4 address',
    ],
    [
      '[sandbox.net]\npublish = 80',
      '/etc/metactl/nodes/myapp.conf:2:11: found `80`, expected words such as 8080:80 or 53:53/udp',
    ],
    ['[sandbox]\nenabled = maybe', '/etc/metactl/nodes/myapp.conf:2:11: found `maybe`, expected yes or no'],
    [
      '[network]\npool = 10.0.0.0/8',
      '/etc/metactl/nodes/myapp.conf:1:2: found the section `[network]`, expected it in /etc/metactl/metactl.conf',
    ],
    [
      '[systemd.Service]\nExec Start = x',
      '/etc/metactl/nodes/myapp.conf:2:1: found the key `Exec Start` in [systemd.Service], expected the name of a directive',
    ],
    [
      '[systemd.Timer]',
      "/etc/metactl/nodes/myapp.conf:1:2: found the section `[systemd.Timer]`, expected a section of an app's configuration",
    ],
    ['[trust]\napplication = yes', '/etc/metactl/nodes/myapp.conf:2:15: found `yes`, expected one of limited, full'],
  ])('%j', (node, problem) => expect(inspect({ node: `${node}\n` }).lines).toEqual([problem]));

  it('a key of one layer and a section of another with the same dotted name', () =>
    expect(inspect({ application: '[daemon.web]\n[env]\nweb = 1\n', node: '[env.web]\nA = 1\n' }).lines).toEqual([
      '.metactl:3:1: found the key `web` in [env] beside the section `[env.web]` (/etc/metactl/nodes/myapp.conf), expected only one of the two',
    ]));

  it('a value that came by interpolation, without showing a secret', () => {
    expect(inspect({ application: '[env]\nN = x\n[daemon.web]\nnice = %(N)\n' }).lines).toEqual([
      '.metactl:4:8: found `x`, expected a whole number from -20 to 19 (%(N) from .metactl:2)',
    ]);
    expect(inspect({ application: '[env]\nN_SECRET = x\n[daemon.web]\nnice = %(N_SECRET)\n' }).lines).toEqual([
      '.metactl:4:8: found `***`, expected a whole number from -20 to 19 (%(N_SECRET) from .metactl:2)',
    ]);
  });

  it('keys of a daemon whose platform is not known only once', () =>
    expect(inspect({ application: daemon('jvm.jar = x').replace('jvm\n', 'jvn\n') }).lines).toEqual([
      '.metactl:2:12: found the platform `jvn`, expected one of exec, node, jvm, jetty6; did you mean `jvm`?',
    ]));

  it('all at once, of all files, in one error', () => {
    const root = appRoot({
      application: '[daemon.web]\nnice = x\n',
      node: '[snadbox]\n',
      metactl: '[node]\nnam = x\n',
    });
    const error = thrown(() => loadApp(pathsFor(root), 'myapp', fakePlatforms));
    expect(shorten(error.message, root).split('\n')).toEqual([
      '/etc/metactl/metactl.conf:2:1: found the key `nam`, expected a key of [node]; did you mean `name`?',
      "/etc/metactl/nodes/myapp.conf:1:2: found the section `[snadbox]`, expected a section of an app's configuration; did you mean `[sandbox]`?",
      '.metactl:2:8: found `x`, expected a whole number from -20 to 19',
    ]);
    expect(error).toMatchObject({ code: 'METACTL_CONFIGURATION', exitStatus: 78 });
    expect((error.details as { problems: Problem[] }).problems[1]).toEqual({
      message: "found the section `[snadbox]`, expected a section of an app's configuration",
      hint: 'did you mean `[sandbox]`?',
      file: `${root}/etc/metactl/nodes/myapp.conf`,
      line: 1,
      column: 2,
    });
  });
});

describe('what is not in this version', () => {
  it.each([
    ['[firewall.out]\npolicy = reject', '`[firewall.out] policy` = `reject`'],
    ['[firewall.out]\npolicy = drop', '`[firewall.out] policy` = `drop`'],
    ['[firewall.out.accept]\ndb = 10.0.0.0/8', '`[firewall.out.accept] db` = `10.0.0.0/8`'],
    ['[sandbox]\nuser-namespace = yes', '`[sandbox] user-namespace` = `yes`'],
    ['[sandbox.net]\npublish = 80:80', '`[sandbox.net] publish` = `80:80`'],
    ['[sandbox.net]\nmode = nat', '`[sandbox.net] mode` = `nat`'],
    ['[sandbox.net]\nmode = host', '`[sandbox.net] mode` = `host`'],
    ['[daemon.web]\nwatchdog-sec = 5s', '`[daemon.web] watchdog-sec` = `5s`'],
    ['[daemon.web]\nhealth = tcp:80', '`[daemon.web] health` = `tcp:80`'],
    ['[daemon.web]\nstart-limit-burst = 5', '`[daemon.web] start-limit-burst` = `5`'],
    ['[hooks]\non-failure = /bin/x', '`[hooks] on-failure` = `/bin/x`'],
    ['[hooks]\non-oom = /bin/x', '`[hooks] on-oom` = `/bin/x`'],
    ['[crontab]\na = @daily x\n[cron.a]\ntimeout-sec = 5s', '`[cron.a] timeout-sec` = `5s`'],
  ])('and would protect: %j', (node, what) => {
    const { config, lines, root } = inspect({ node: `${node}\n` });
    expect(lines).toEqual([]);
    expect(config.unbuilt.refuse.map(({ message }) => message)).toEqual([`${what} is not in this version of metactl`]);
    const error = thrown(() => requireBuilt(config));
    expect(error.exitStatus).toBe(78);
    expect(shorten(error.message, root)).toMatch(
      /^\/etc\/metactl\/nodes\/myapp\.conf:\d+:\d+: .* is not in this version of metactl$/,
    );
  });

  it.each([
    '[firewall.out]\npolicy = accept',
    '[sandbox]\nuser-namespace = no',
    '[sandbox.net]\nmode = routed',
    '[sandbox.net]\nmode = none',
    '[daemon.web]\nstart-limit-burst = 0',
    '[sandbox]\nseccomp = none',
  ])('but these are: %j', (node) =>
    expect(inspect({ node: `${node}\n` }).config.unbuilt).toEqual({ refuse: [], note: [] }),
  );

  it.each([
    '[daemon.web]\nready = notify',
    '[daemon.web]\nlog.max-size = 1m',
    '[daemon.web]\n[daemon.db]\ndepends-on.web = ready',
    '[daemon.web]\ninstances = 2',
    '[daemon.web]\nlisten.http = tcp:80',
    '[hooks]\non-stop = /bin/x',
    '[systemd.Service]\nNice = 5',
    '[service]\nunit = app',
    '[deploy]\nmin-healthy-time = 5s',
    '[sandbox]\nallow-syscalls = bpf',
  ])('and is only noted: %j', (node) => {
    const { config } = inspect({ node: `${node}\n` });
    expect(config.unbuilt.refuse).toEqual([]);
    expect(config.unbuilt.note).toHaveLength(1);
    expect(config.warnings).toHaveLength(1);
  });
});

describe('the app directory', () => {
  it('is told by the node file for an app that metactl does not deploy', () => {
    const root = scratchRoot();
    put(root, 'srv/myapp/.metactl', '[env]\nDIRECTORY = %(app_dir)\nRELEASE = "%(release)"\n', 0o644);
    put(root, 'etc/metactl/nodes/myapp.conf', `[app]\ndirectory = ${root}/srv/%(app)/\n`);
    const { config, lines } = inspectRoot(root);
    expect(lines).toEqual([]);
    expect(config.directory).toBe(`${root}/srv/myapp`);
    expect(config.environment('x')).toEqual({});
    expect(config.section('env').map(({ text }) => text)).toEqual([`${root}/srv/myapp`, '']);
  });

  it('is the release that current leads to', () => {
    const { config, root } = inspect({ application: '[daemon.web]\n[env]\nR = %(release)\nD = %(app_dir)\n' });
    expect(config.environment('web')).toEqual({ R: 'r1', D: `${root}/var/lib/metactl/apps/myapp/releases/r1` });
  });

  it.each([
    ['srv/myapp', 'found `srv/myapp`, expected an absolute path'],
    ['/nowhere/at/all', 'found `/nowhere/at/all`, expected a directory that exists'],
  ])('can not be %s', (directory, message) => {
    const root = scratchRoot();
    put(root, 'etc/metactl/nodes/myapp.conf', `[app]\ndirectory = ${directory}\n`);
    expect(inspectRoot(root).lines.slice(0, 1)).toEqual([`/etc/metactl/nodes/myapp.conf:2:13: ${message}`]);
  });

  it('can not be told twice', () => {
    const root = appRoot({ node: '[app]\ndirectory = /srv\n' });
    expect(inspectRoot(root).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf:2:13: found [app] directory for an app that metactl deploys ' +
        '(/var/lib/metactl/apps/myapp/current), expected only one of the two; remove the key, or purge the deployed app',
    ]);
  });

  it('can not be a link to nothing', () => {
    const root = appRoot({});
    rmSync(join(root, 'var/lib/metactl/apps/myapp/releases/r1'), { recursive: true });
    expect(inspectRoot(root).lines).toEqual([
      '/var/lib/metactl/apps/myapp/current: found a link to nothing, expected one to the directory of a release; deploy the app again',
    ]);
  });

  it('may be missing while the configuration is prepared', () => {
    const root = scratchRoot();
    put(root, 'etc/metactl/nodes/myapp.conf', '[env]\nA = 1\n');
    const { config, lines } = inspectRoot(root);
    expect(lines).toEqual([]);
    expect(config.directory).toBe(`${root}/var/lib/metactl/apps/myapp/current`);
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

describe('files that are not what they should be', () => {
  it('.metactl as a symbolic link', () => {
    const root = appRoot({});
    symlinkSync('/etc/passwd', join(root, 'var/lib/metactl/apps/myapp/current/.metactl'));
    expect(inspectRoot(root).lines).toEqual([
      '.metactl: found a symbolic link, expected a regular file; put the file itself there',
    ]);
  });

  it('.metactl as a directory', () => {
    const root = appRoot({});
    mkdirSync(join(root, 'var/lib/metactl/apps/myapp/current/.metactl'));
    expect(inspectRoot(root).lines).toEqual(['.metactl: found something else, expected a regular file']);
  });

  it('.metactl of more than a megabyte', () => {
    const root = appRoot({ application: '#'.repeat(1024 * 1024 + 1) });
    expect(inspectRoot(root).lines).toEqual(['.metactl: found more than 1048576 bytes, expected a configuration file']);
  });

  it('.metactl that is not UTF-8', () => {
    const root = appRoot({});
    writeFileSync(
      join(root, 'var/lib/metactl/apps/myapp/current/.metactl'),
      Buffer.from('[env]\nA = \xe9\n', 'latin1'),
    );
    expect(inspectRoot(root).lines).toEqual(['.metactl:2:1: found bytes that are not UTF-8, expected UTF-8 text']);
  });

  it('a node file that others can write', () => {
    const root = appRoot({ node: '[env]\n' });
    chmodSync(join(root, 'etc/metactl/nodes/myapp.conf'), 0o660);
    expect(inspectRoot(root).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf: found mode 0660, expected a file that only its owner can write; use chmod 600',
    ]);
  });

  it('an app of thousands of daemons or keys', () => {
    const many = Array.from({ length: 102 }, (_, i) => `[daemon.d${i}]`).join('\n');
    expect(inspect({ application: `${many}\n` }).lines).toEqual([
      '.metactl:101:2: found more than 100 daemons, expected a smaller configuration',
      '.metactl:102:2: found more than 100 daemons, expected a smaller configuration',
    ]);
    const keys = Array.from({ length: 5001 }, (_, i) => `K${i} = 1`).join('\n');
    expect(inspect({ application: `[env]\n${keys}\n` }).lines).toEqual([
      '.metactl: found more than 5000 keys, expected a smaller configuration',
    ]);
  });
});
