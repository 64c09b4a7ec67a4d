import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadApp } from '../../../src/config/load.ts';
import { platforms } from '../../../src/platform/index.ts';
import type { ServiceModel } from '../../../src/service/model.ts';
import { serviceModel } from '../../../src/service/model.ts';
import type { ServiceFile } from '../../../src/service/service-file.ts';
import { systemd } from '../../../src/service/systemd.ts';
import { escapeName, execLine, timeSpan } from '../../../src/service/systemd-quote.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { put, scratchRoot, thrown } from '../config/root.ts';
import { lines, modelOf, PROGRAM, SHOP, scratch, unsealed } from './models.ts';

const control = systemd.control!;

function filesOf(model: ServiceModel): Record<string, string> {
  return Object.fromEntries(systemd.files(model).map(({ name, text }) => [name, unsealed(text)]));
}

const MADE = '# Made by `metactl install shop`, which notices changes and keeps them unless it is forced.\n';

describe('units', () => {
  it('are one per daemon, a target and a slice', () => {
    expect(filesOf(modelOf(SHOP))).toEqual({
      'metactl.shop.db.service': `${MADE}[Unit]
Description=metactl: shop/db
Wants=network-online.target
After=network-online.target remote-fs.target nss-user-lookup.target
PartOf=metactl.shop.target
RequiresMountsFor=/etc/metactl /var/lib/metactl
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/local/bin/metactl run --unit shop db
ExecReload=/usr/local/bin/metactl reload shop db
Slice=metactl-shop.slice
Delegate=yes
KillMode=mixed
LogRateLimitIntervalSec=1us
Restart=on-failure
RestartSec=1s
RestartPreventExitStatus=69 77 78
TimeoutStartSec=95s
TimeoutStopSec=125s

[Install]
WantedBy=metactl.shop.target
`,
      'metactl.shop.web.service': `${MADE}[Unit]
Description=metactl: shop/web
Wants=network-online.target
After=network-online.target remote-fs.target nss-user-lookup.target metactl.shop.db.service
Requires=metactl.shop.db.service
PartOf=metactl.shop.target
RequiresMountsFor=/etc/metactl /var/lib/metactl
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/local/bin/metactl run --unit shop web
ExecReload=/usr/local/bin/metactl reload shop web
Slice=metactl-shop.slice
Delegate=yes
KillMode=mixed
LogRateLimitIntervalSec=1us
Restart=on-failure
RestartSec=1s
RestartPreventExitStatus=69 77 78
TimeoutStartSec=6500ms
TimeoutStopSec=35s
WatchdogSec=15s

[Install]
WantedBy=metactl.shop.target
`,
      'metactl.shop.target': `${MADE}[Unit]
Description=metactl: all daemons of shop

[Install]
WantedBy=multi-user.target
`,
      'metactl-shop.slice': `${MADE}[Unit]
Description=metactl: what runs of shop
`,
    });
  });

  it('`[service] unit = app` is one for all daemons, which waits for them one after the other', () => {
    const files = filesOf(modelOf(`${SHOP}[service]\nunit = app\n`));
    expect(Object.keys(files)).toEqual(['metactl.shop.service', 'metactl-shop.slice', 'metactl.shop.target']);
    const text = files['metactl.shop.service'];
    expect(text).toContain('\nExecStart=/usr/local/bin/metactl run --unit shop\n');
    expect(text).toContain('\nTimeoutStartSec=96500ms\nTimeoutStopSec=155s\nWatchdogSec=15s\n');
    expect(text).not.toContain('Requires=');
  });

  it('wait for ever where the configuration does', () => {
    const text = filesOf(modelOf('[daemon.web]\ncommand = /bin/web\nready.timeout = 1d\ntimeout-stop-sec = 500ms\n'))[
      'metactl.shop.web.service'
    ];
    expect(text).toContain('\nTimeoutStartSec=86405s\nTimeoutStopSec=5500ms\n');
    expect(timeSpan(Number.POSITIVE_INFINITY)).toBe('infinity');
  });

  it('carry the directives of [systemd.*] behind their own, in order', () => {
    const model = modelOf(
      `[daemon.web]\ncommand = /bin/web\n[systemd.Unit]\nAfter = a.service\nAfter = b.service\n` +
        `[systemd.Service]\nNice = 5\nEnvironment = "A=%h b"\n[systemd.Install]\nAlias = shop.service\n`,
    );
    const text = filesOf(model)['metactl.shop.web.service']!;
    expect(text).toContain('StartLimitIntervalSec=0\nAfter=a.service\nAfter=b.service\n\n[Service]');
    expect(text).toContain(
      'Nice=5\nEnvironment="A=%h b"\n\n[Install]\nWantedBy=metactl.shop.target\nAlias=shop.service\n',
    );
  });

  it.each([
    ['Environment = A=b\\', 'found a \\ at the end in [systemd.Service] Environment', 'write it another way'],
    [
      'Environment = U=http://me:hunter2@h/',
      'found a secret in [systemd.Service] Environment',
      'units can be read by everybody; set it in [env]',
    ],
  ])('hold no %s', (line, message, hint) => {
    const error = thrown(() => modelOf(`[daemon.web]\ncommand = /bin/web\n[systemd.Service]\n${line}\n`));
    expect(error.message).toMatch(/shop\.conf:4:\d+: /);
    expect(error.message.replace(/^.*?:4:\d+: /, '')).toBe(message);
    expect([error.code, error.hint, error.exitStatus]).toEqual(['METACTL_CONFIGURATION', hint, 78]);
  });

  it('of another root have its id, and call metactl with it', () => {
    const root = scratchRoot();
    put(root, 'etc/metactl/nodes/my-shop.conf', SHOP);
    const paths = pathsFor(root);
    const model = serviceModel(loadApp(paths, 'my-shop', platforms), paths, PROGRAM);
    const files = filesOf(model);
    const id = paths.nodeId;
    expect(Object.keys(files)).toEqual([
      `metactl-${id}.my-shop.db.service`,
      `metactl-${id}.my-shop.web.service`,
      `metactl\\x2d${id}-my\\x2dshop.slice`,
      `metactl-${id}.my-shop.target`,
    ]);
    const text = files[`metactl-${id}.my-shop.web.service`]!;
    expect(text).toContain(`\nExecStart=/usr/local/bin/metactl --root ${root} run --unit my-shop web\n`);
    expect(text).toContain(`\nRequiresMountsFor=${root}/etc/metactl ${root}/var/lib/metactl\n`);
  });
});

describe('find', () => {
  const names = [
    'metactl.shop.web.service',
    'metactl.shop.target',
    'metactl-shop.slice',
    'metactl.shop.service',
    'metactl.shop-2.web.service',
    'metactl-1a2b.shop.web.service',
    'metactl.shop.web.service.d',
    'metactl.shop.Web.service',
    'ssh.service',
  ];
  it('knows the files of one app and one root', () => {
    expect(systemd.find(names, 'shop', '')).toEqual({
      app: 'shop',
      nodeId: '',
      files: ['metactl-shop.slice', 'metactl.shop.service', 'metactl.shop.target', 'metactl.shop.web.service'],
      units: [
        { daemon: 'web', unit: 'metactl.shop.web.service' },
        { daemon: undefined, unit: 'metactl.shop.service' },
      ],
    });
    expect(systemd.find(names, 'shop', '1a2b').files).toEqual(['metactl-1a2b.shop.web.service']);
    expect(systemd.find(names, 'sho', '').files).toEqual([]);
  });
  it('finds all that it makes, also of daemons that are called as kinds of units', () => {
    const model = modelOf('[daemon.service]\ncommand = /bin/a\n[daemon.target]\ncommand = /bin/b\n');
    const made = systemd.files(model).map(({ name }) => name);
    expect([...systemd.find(made, 'shop', '').files].sort()).toEqual([...made].sort());
    expect(systemd.find(made, 'shop', '').units.map(({ daemon }) => daemon)).toEqual(['service', 'target']);
  });
});

/** What systemd itself reads from units: it loads them in test mode and tells all it knows. */
function readBySystemd(files: readonly Pick<ServiceFile, 'name' | 'text'>[], unit: string): string {
  const directory = scratch();
  chmodSync(directory, 0o755);
  for (const { name, text } of files) writeFileSync(join(directory, name), text, { mode: 0o644 });
  // It refuses to do so as root.
  const ids = process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const { stdout, stderr } = spawnSync('/lib/systemd/systemd', ['--test', '--system', `--unit=${unit}`, '--no-pager'], {
    ...ids,
    cwd: '/',
    encoding: 'utf8',
    env: { SYSTEMD_UNIT_PATH: `${directory}:`, XDG_RUNTIME_DIR: '/tmp' },
    maxBuffer: 64 << 20,
  });
  expect(stdout).toContain(`-> Unit ${unit}:`);
  expect(stderr).not.toContain(directory);
  return stdout;
}

describe('the real systemd', () => {
  it('has nothing to say against them (systemd-analyze verify)', () => {
    const directory = scratch();
    const program = [process.execPath, '/srv/a b/100% $HOME/"metactl\'.cjs'];
    const config = modelOf(`${SHOP}[systemd.Service]\nNice = 5\n`);
    const model: ServiceModel = {
      ...config,
      services: config.services.map((one) => ({
        ...one,
        command: [...program, 'run'],
        reload: [...program, 'reload'],
      })),
    };
    const paths = systemd.files(model).map(({ name, text }) => {
      const path = join(directory, name);
      writeFileSync(path, text);
      return path;
    });
    const { stdout, stderr, status } = spawnSync('systemd-analyze', ['verify', ...paths], { encoding: 'utf8' });
    expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 });
  });

  it('reads the command lines back as they were meant', () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary', minLength: 0, maxLength: 12 }),
      fc.stringMatching(/^[ "'\\%$;{}a\t\n#@!:+-]{1,8}$/),
      fc.constantFrom(';', '%h', '$HOME', '${HOME}', '"', "'", '\\', '\\x20', '', 'a;', '%%', '$$', '- x', '\\\n'),
    );
    // No argument of a program can hold a NUL; the others systemd takes for no UTF-8.
    const fine = word.filter(
      (text) => !text.includes('\0') && !/[\p{Surrogate}\p{Noncharacter_Code_Point}]/u.test(text),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(fine, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 20 }),
        (lists) => {
          const text = lists.map((words) => `ExecStart=${execLine(['/bin/true', ...words])}\n`).join('');
          const name = 'x.service';
          const told = readBySystemd([{ name, text: `[Service]\nType=oneshot\n${text}` }], name);
          const lines = told
            .slice(told.indexOf('-> Unit x.service:'))
            .split('\n')
            .filter((line) => line.includes('Command Line: '))
            .slice(0, lists.length);
          expect(lines.map((line) => shellWords(line.slice(line.indexOf(': ') + 2)))).toEqual(
            lists.map((words) => ['/bin/true', ...words.map((one) => one.replaceAll('$', '$$$$'))]),
          );
        },
      ),
      { numRuns: 5, endOnFailure: true },
    );
  });

  it('is not given what it takes for no UTF-8', () => {
    const error = thrown(() => execLine(['/bin/true', '/srv/a\uffff']));
    expect([error.code, error.message]).toEqual([
      'METACTL_BAD_PATH',
      "the character `\uffff` in `/srv/a\uffff` can't be written in a file of systemd",
    ]);
  });

  it('escapes names as we do', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/), { minLength: 1, maxLength: 50 }), (names) => {
        const told = execFileSync('systemd-escape', ['--', ...names], { encoding: 'utf8' });
        expect(told.trimEnd().split(' ')).toEqual(names.map(escapeName));
      }),
      { numRuns: 20 },
    );
  });
});

/** Reads a command line as systemd prints it: words in `"…"` with C escapes, in which it escapes what a shell would replace. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  const pattern = /"((?:[^"\\]|\\[\s\S])*)"|(\S+)/g;
  for (const [, inside, plain] of line.matchAll(pattern)) words.push(inside === undefined ? plain! : fromC(inside));
  return words;
}

const SIMPLE: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function fromC(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|[0-7]{3}|[\s\S])/gi, (_, what: string) => {
    if (/^x../i.test(what)) return String.fromCharCode(Number.parseInt(what.slice(1), 16));
    if (/^[0-7]{3}$/.test(what)) return String.fromCharCode(Number.parseInt(what, 8));
    return SIMPLE[what] ?? what;
  });
}

describe('control', () => {
  const app = systemd.find(['metactl.shop.db.service', 'metactl.shop.target', 'metactl.shop.web.service'], 'shop', '');

  it('drives systemctl, and has it reload once', () => {
    const other = systemd.find(['metactl.x.a.service', 'metactl.x.target'], 'x', '');
    const fresh = new Set(['metactl.shop.web.service', 'metactl.x.a.service', 'metactl.x.target']);
    expect(
      lines(control.installed([app, other], { added: fresh, enable: true, relinked: [], disabled: new Set() })),
    ).toEqual([
      'systemctl --no-reload enable metactl.shop.web.service metactl.x.target metactl.x.a.service',
      'systemctl daemon-reload',
    ]);
    expect(lines(control.installed([app], { added: fresh, enable: false, relinked: [], disabled: new Set() }))).toEqual(
      ['systemctl daemon-reload'],
    );
    const all = 'metactl.shop.target metactl.shop.db.service metactl.shop.web.service';
    expect(lines(control.removing(app))).toEqual([
      `systemctl stop ${all}`,
      `systemctl reset-failed ${all} (1 too)`,
      `systemctl --no-reload disable ${all}`,
    ]);
    expect(lines(control.removing(app, ['metactl.shop.db.service']))).toEqual([
      'systemctl stop metactl.shop.db.service',
      'systemctl reset-failed metactl.shop.db.service (1 too)',
      'systemctl --no-reload disable metactl.shop.db.service',
    ]);
    expect(lines(control.removed())).toEqual(['systemctl daemon-reload']);
    expect(lines(control.start(app, undefined, true))).toEqual([`systemctl start ${all}`]);
    expect(lines(control.start(app, 'web', false))).toEqual(['systemctl --no-block start metactl.shop.web.service']);
    expect(lines(control.stop(app, undefined, true))).toEqual([`systemctl stop ${all}`]);
    expect(lines(control.restart(app, 'db', true))).toEqual(['systemctl restart metactl.shop.db.service']);
    expect(lines(control.enable(app, 'web'))).toEqual([
      'systemctl enable metactl.shop.target metactl.shop.web.service',
    ]);
    expect(lines(control.disable(app, 'web'))).toEqual(['systemctl disable metactl.shop.web.service']);
    expect(lines(control.disable(app, undefined))).toEqual([`systemctl disable ${all}`]);
  });

  it('reads what `systemctl show` tells', () => {
    const output = `Id=metactl.shop.db.service
ActiveState=active
SubState=running
UnitFileState=enabled
MainPID=411
Result=success
ExecMainStatus=0
StatusText=db: ready

Id=metactl.shop.web.service
ActiveState=failed
SubState=failed
UnitFileState=disabled
MainPID=0
Result=exit-code
ExecMainStatus=69
StatusText=

Id=metactl.shop.job.service
ActiveState=inactive
SubState=dead
UnitFileState=
MainPID=0
Result=success
ExecMainStatus=0
`;
    expect(control.states(output)).toEqual([
      { unit: 'metactl.shop.db.service', state: 'running', enabled: true, pid: 411 },
      { unit: 'metactl.shop.web.service', state: 'failed', enabled: false, reason: 'exit status 69' },
      { unit: 'metactl.shop.job.service', state: 'stopped' },
    ]);
    const web = (facts: string) => control.states(`Id=metactl.shop.web.service\n${facts}`)[0]?.reason;
    const again = 'ActiveState=activating\nSubState=auto-restart\nStatusText=not well: no answer\nResult=';
    expect(web(`${again}signal`)).toBe('its supervisor was killed (signal)');
    expect(web(`${again}watchdog`)).toBe('watchdog: it was not well: no answer');
    expect(web(`${again}exit-code`)).toBe('not well: no answer');
    const error = thrown(() => control.states('Nonsense\n'));
    expect([error.code, error.message]).toEqual([
      'METACTL_SYSTEMD',
      'systemctl show gave no answer that helps: Nonsense\\n',
    ]);
  });
});

it('one Alias is not for several units', () => {
  const alias = (text: string, more = '') => modelOf(`${SHOP}${more}[systemd.Install]\nAlias = ${text}\n`);
  expect(thrown(() => alias('web.service')).message).toMatch(
    /shop\.conf:\d+:\d+: found the same Alias for several units, expected one with %N$/,
  );
  expect(alias('%N-too.service').services).toHaveLength(2);
  expect(alias('web.service', '[service]\nunit = app\n').services).toHaveLength(1);
});
