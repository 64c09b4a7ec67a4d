import { describe, expect, it } from 'vitest';
import { loadApp } from '../../../src/config/load.ts';
import type { Problem } from '../../../src/config/types.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot, fakePlatforms, inspect, shorten, thrown } from './root.ts';

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
    ['memory-max = much', '.metactl:2:14: found `much`, expected a size such as 256m or 2g of at least 1m'],
    ['memory-max = 1', '.metactl:2:14: found `1`, expected a size such as 256m or 2g of at least 1m'],
    ['cpu-quota = 2', '.metactl:2:13: found `2`, expected a percentage of one CPU such as 50% or 200%'],
    ['umask = 0999', '.metactl:2:9: found `0999`, expected an octal mode such as 022'],
    ['working-directory = tmp', '.metactl:2:21: found `tmp`, expected an absolute path'],
    ['limit-nofile = 9:8', '.metactl:2:16: found `9:8`, expected N, infinity or SOFT:HARD'],
    [
      'kill-signal = SIGCONT',
      '.metactl:2:15: found `SIGCONT`, expected a signal that a program can take for the wish to end',
    ],
    [
      'kill-signal = STOP',
      '.metactl:2:15: found `STOP`, expected a signal that a program can take for the wish to end',
    ],
    ['kill-signal = 18', '.metactl:2:15: found `18`, expected a signal that a program can take for the wish to end'],
    ['kill-signal = 65', '.metactl:2:15: found `65`, expected a signal that a program can take for the wish to end'],
    ['kill-signal = SIGTREM', '.metactl:2:15: found `SIGTREM`, expected a signal such as SIGTERM'],
    ['success-exit-status = 256', '.metactl:2:23: found `256`, expected exit statuses (0 to 255) and signal names'],
    ['command = a "b', '.metactl:2:11: found `a "b`, expected words without a " that is not closed (character 3)'],
    ['command = ""\\', '.metactl:2:11: found `""\\`, expected words without a backslash at the end (character 3)'],
    [
      'ready = maybe',
      '.metactl:2:9: found `maybe`, expected notify, fd:N (from 3 on), tcp:PORT, http:[PORT]/path, exec:COMMAND or log:REGEX',
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
      '.metactl:2:6: found `db.example.org`, expected HOST:PORT[-PORT][/tcp|/udp], NETWORK[:PORT[-PORT]][/tcp|/udp|/icmp] or HOST/icmp',
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
      '/etc/metactl/nodes/myapp.conf:2:6: found `10.0.0.256`, expected an IPv4 address, an IPv6 address, or one of each',
    ],
    [
      '[sandbox.net]\npublish = 80',
      '/etc/metactl/nodes/myapp.conf:2:11: found `80`, expected words such as 8080:80, 192.0.2.1:8080:80, [2001:db8::1]:8080:80 or 53:53/udp, no host port twice',
    ],
    ['[sandbox]\nenabled = maybe', '/etc/metactl/nodes/myapp.conf:2:11: found `maybe`, expected yes or no'],
    [
      '[network]\npool = 10.0.0.0/8',
      '/etc/metactl/nodes/myapp.conf:1:2: found the section `[network]`, expected it in /etc/metactl/metactl.conf',
    ],
    [
      '[systemd.Service]\nPrivateTmp = yes',
      '/etc/metactl/nodes/myapp.conf:2:1: found the directive `PrivateTmp` in [systemd.Service], expected `[sandbox] tmp-size`; it would change what the supervisor itself sees, and every sandbox with it',
    ],
    [
      '[systemd.Unit]\nStartLimitIntervalSec = 10s',
      '/etc/metactl/nodes/myapp.conf:2:1: found the directive `StartLimitIntervalSec` in [systemd.Unit], expected `[daemon.NAME] start-limit-burst` and `start-limit-interval-sec`; metactl sets it itself',
    ],
    [
      '[systemd.Service]\nStartLimitBurst = 3',
      '/etc/metactl/nodes/myapp.conf:2:1: found the directive `StartLimitBurst` in [systemd.Service], expected `[daemon.NAME] start-limit-burst` and `start-limit-interval-sec`; metactl sets it itself',
    ],
    [
      '[systemd.Service]\nKillMode = process',
      '/etc/metactl/nodes/myapp.conf:2:1: found the directive `KillMode` in [systemd.Service], expected `[daemon.NAME] command`; metactl sets it itself',
    ],
    [
      '[systemd.Service]\nRestartKillSignal = SIGHUP',
      '/etc/metactl/nodes/myapp.conf:2:1: found the directive `RestartKillSignal` in [systemd.Service], expected `[daemon.NAME] kill-signal`; metactl sets it itself',
    ],
    [
      '[systemd.Service]\nSlice = x.slice',
      '/etc/metactl/nodes/myapp.conf:2:1: found the directive `Slice` in [systemd.Service], expected `[daemon.NAME] cpu-weight` and the other limits; metactl sets it itself',
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
