import { describe, expect, it } from 'vitest';
import { APP_SECTIONS } from '../../../src/config/schema/index.ts';
import { inspect } from './root.ts';

const NODE = '/etc/metactl/nodes/myapp.conf';
const forbidden = (what: string) =>
  `found ${what} in .metactl, expected it in the node file: an application may not set it; ` +
  `move it to ${NODE}, or set [trust] application = full there`;
const nodeOnly = (what: string) => `found ${what} in .metactl, expected it in the node file; move it to ${NODE}`;

/** Every key that only administrators may set, with a value that is valid. */
const FORBIDDEN: readonly (readonly [section: string, key: string, value: string])[] = [
  ['daemon.web', 'user', 'www-data'],
  ['daemon.web', 'group', 'www-data'],
  ['daemon.web', 'supplementary-groups', 'adm disk'],
  ['daemon.web', 'oom-score-adjust', '-1000'],
  ['daemon.web', 'log.to', 'stdout'],
  ['daemon.web', 'file-descriptor-store-max', '10'],
  ['daemon.web', 'limit-nproc', '10'],
  ['daemon.web', 'limit-sigpending', '10'],
  ['sandbox', 'enabled', 'no'],
  ['sandbox', 'best-effort', 'yes'],
  ['sandbox', 'allow-root', 'yes'],
  ['sandbox', 'user-namespace', 'no'],
  ['sandbox', 'capabilities', 'NET_BIND_SERVICE'],
  ['sandbox', 'devices', '/dev/sda'],
  ['sandbox', 'seccomp', 'none'],
  ['sandbox', 'allow-syscalls', 'bpf'],
  ['sandbox', 'log-syscalls', 'yes'],
  ['sandbox', 'tmp-size', '1g'],
  ['sandbox.net', 'mode', 'none'],
  ['sandbox.net', 'ip', '10.0.0.1'],
  ['sandbox.net', 'publish', '80:80'],
  ['service', 'unit', 'app'],
  ['trust', 'daemons-max', '99'],
  ['hooks', 'on-ready', '/bin/true'],
  ['hooks', 'on-failure', '/bin/true'],
  ['hooks', 'on-oom', '/bin/true'],
  ['hooks', 'on-stop', '/bin/true'],
  ['build', 'repo', 'git://example.org/x'],
  ['build', 'tag', '1'],
  ['build', 'branch', 'x'],
  ['build', 'revision', '1'],
  ['build', 'artifact', 'target'],
  ['build', 'keep', '9'],
  ['build', 'network', 'yes'],
  ['systemd.Unit', 'After', 'network.target'],
  ['systemd.Service', 'ExecStartPre', '/bin/true'],
  ['systemd.Install', 'WantedBy', 'multi-user.target'],
];
const NODE_ONLY: typeof FORBIDDEN = [
  ['app', 'directory', '/srv/elsewhere'],
  ['trust', 'application', 'full'],
];

const written = ([section, key, value]: (typeof FORBIDDEN)[number]) =>
  `[daemon.web]\n[${section}]\n${key} = ${value}\n`;

describe('.metactl may not set', () => {
  it.each(FORBIDDEN)('[%s] %s', (...entry) => {
    const [section, key] = entry;
    expect(inspect({ application: written(entry) }).lines).toEqual([
      `.metactl:3:1: ${forbidden(`\`[${section}] ${key}\``)}`,
    ]);
    expect(inspect({ application: written(entry), node: '[trust]\napplication = full\n' }).lines).toEqual([]);
    expect(inspect({ site: written(entry) }).lines).toEqual([]);
    expect(inspect({ node: written(entry) }).lines).toEqual([]);
  });

  it.each(NODE_ONLY)('[%s] %s, whatever the trust', (...entry) => {
    const [section, key] = entry;
    const told = `.metactl:3:1: ${nodeOnly(`\`[${section}] ${key}\``)}`;
    expect(inspect({ application: written(entry) }).lines).toEqual([told]);
    expect(
      inspect({ application: written(entry), defaults: '[trust]\n', node: '[trust]\napplication = full\n' }).lines,
    ).toEqual([told]);
  });

  it('an alias of a forbidden key', () =>
    expect(inspect({ application: '[daemon.web]\noom-score-adj = 5\n' }).lines).toEqual([
      `.metactl:2:1: ${forbidden('`[daemon.web] oom-score-adjust`')}`,
    ]));

  it('a forbidden key that a higher layer sets anyway', () =>
    expect(
      inspect({ application: '[daemon.web]\nuser = root\n', node: '[daemon.web]\nuser = www-data\n' }).lines,
    ).toEqual([`.metactl:2:1: ${forbidden('`[daemon.web] user`')}`]));

  it('a forbidden key to nothing', () =>
    expect(inspect({ application: '[daemon.web]\nuser =\n' }).lines).toEqual([
      `.metactl:2:1: ${forbidden('`[daemon.web] user`')}`,
    ]));

  it.each(['node', 'network', 'dns', 'fleet', 'balancer'])('[%s], which is metactl.conf’s', (section) =>
    expect(inspect({ application: `[${section}]\nname = x\n` }).lines).toEqual([
      `.metactl:1:2: found the section \`[${section}]\`, expected it in /etc/metactl/metactl.conf`,
    ]),
  );

  it('anything in the schema that is not listed here', () => {
    const listed = [...FORBIDDEN, ...NODE_ONLY].map(
      ([section, key]) => `${section.replace('daemon.web', 'daemon.*')} ${key}`,
    );
    const closed = APP_SECTIONS.flatMap((section) =>
      section.keys
        .filter((key) => !(key.layers ?? section.layers ?? ['application']).includes('application'))
        .map((key) => `${section.name} ${key.key}`),
    );
    expect(closed.filter((name) => !name.startsWith('systemd.') && !listed.includes(name))).toEqual([]);
  });
});

describe('the site layer', () => {
  it.each(NODE_ONLY)('may not set [%s] %s', (...entry) =>
    expect(inspect({ site: written(entry) }).lines).toEqual([
      `/etc/metactl/site/myapp.conf:3:1: found \`[${entry[0]}] ${entry[1]}\` in the site file, expected it in the node file; move it to ${NODE}`,
    ]),
  );
});

describe('trust follows interpolation', () => {
  it('into a key of administrators', () =>
    expect(
      inspect({ application: '[env]\nWHO = root\n[daemon.web]\n', site: '[daemon.web]\nuser = %(WHO)\n' }).lines,
    ).toEqual([
      '/etc/metactl/site/myapp.conf:2:8: found %(WHO) from .metactl:2 in `user`, expected a value that no application can set; ' +
        `set it in ${NODE}, or set [trust] application = full there`,
    ]));

  it('through several values', () =>
    expect(
      inspect({
        application: '[env]\nWHO = root\n[daemon.web]\n',
        site: '[env]\nUSER_NAME = x%(WHO)\n[hooks]\non-stop = /bin/echo %(env:USER_NAME)\n',
      }).lines,
    ).toEqual([
      '/etc/metactl/site/myapp.conf:4:11: found %(WHO) from .metactl:2 in `on-stop`, expected a value that no application can set; ' +
        `set it in ${NODE}, or set [trust] application = full there`,
    ]));

  it('but not where the node sets the value', () =>
    expect(
      inspect({
        application: '[env]\nWHO = root\n[daemon.web]\n',
        site: '[daemon.web]\nuser = %(WHO)\n',
        node: '[env]\nWHO = www-data\n',
      }).lines,
    ).toEqual([]));

  it('unless the application is trusted', () =>
    expect(
      inspect({
        application: '[env]\nWHO = root\n[daemon.web]\n',
        node: '[daemon.web]\nuser = %(WHO)\n[trust]\napplication = full\n',
      }).lines,
    ).toEqual([]));

  it('into a limit that the site takes from it', () =>
    expect(
      inspect({ application: '[env]\nN = -5\n[daemon.web]\n', site: '[daemon.web]\nnice = %(N)\n' }).lines,
    ).toEqual([
      '/etc/metactl/site/myapp.conf:2:8: found `nice` = `-5` from .metactl, expected at least 0 (the built-in default): ' +
        `an application may only ask for less; set it in ${NODE}, or set [trust] application = full there`,
    ]));

  it('into a mount', () =>
    expect(
      inspect({
        application: '[env]\nWHERE = /etc\n[daemon.web]\n',
        node: '[sandbox.mounts]\n/data = from:%(WHERE)\n',
      }).lines,
    ).toEqual([
      '/etc/metactl/nodes/myapp.conf:2:9: found %(WHERE) from .metactl:2 in `/data`, expected a value that no application can set; ' +
        `set it in ${NODE}, or set [trust] application = full there`,
    ]));
});

describe('.metactl may only ask for less', () => {
  const less = (key: string, found: string, bound: string, by: string, atMost = true) =>
    `.metactl:2:${key.length + 4}: found \`${key}\` = \`${found}\` from .metactl, expected at ${atMost ? 'most' : 'least'} ${bound} (${by}): ` +
    `an application may only ask for less; set it in ${NODE}, or set [trust] application = full there`;
  const application = (key: string, value: string) => `[daemon.web]\n${key} = ${value}\n`;

  it.each([
    ['nice', '-1', '0', false],
    ['cpu-weight', '101', '100', true],
    ['io-weight', '101', '100', true],
    ['limit-nofile', '1025:524288', '1024:524288', true],
    ['limit-nofile', '1024:infinity', '1024:524288', true],
    ['limit-core', '1', '0', true],
    ['limit-memlock', '9m', '8m', true],
    ['limit-msgqueue', '819201', '819200', true],
    ['limit-nice', '1', '0', true],
    ['limit-rtprio', '1', '0', true],
    ['limit-stack', '9m:infinity', '8m:infinity', true],
    ['log.max-size', '51m', '50m', true],
    ['log.max-files', '31', '30', true],
    ['log.max-age', '31d', '30d', true],
  ])('than the built-in default: %s = %s', (key, value, bound, atMost) => {
    expect(inspect({ application: application(key, value) }).lines).toEqual([
      less(key, value, bound, 'the built-in default', atMost),
    ]);
    expect(inspect({ application: application(key, value), node: '[trust]\napplication = full\n' }).lines).toEqual([]);
    expect(inspect({ application: application(key, bound) }).lines).toEqual([]);
  });

  it.each([
    ['timeout-stop-sec', '301s', '5min', true],
    ['timeout-stop-sec', '24d', '5min', true],
    ['ready.timeout', '31min', '30min', true],
    ['health.interval', '999ms', '1s', false],
    ['watchdog-sec', '999ms', '1s', false],
    ['restart-sec', '0', '10ms', false],
    ['restart-sec', '9ms', '10ms', false],
    ['restart-max-delay-sec', '0', '1s', false],
    ['restart-max-delay-sec', '999ms', '1s', false],
  ])('than the built-in bound, which is not the default: %s = %s', (key, value, bound, atMost) => {
    expect(inspect({ application: application(key, value) }).lines).toEqual([
      less(key, value, bound, 'the built-in bound', atMost),
    ]);
    expect(inspect({ application: application(key, value), node: '[trust]\napplication = full\n' }).lines).toEqual([]);
    expect(inspect({ node: application(key, value) }).lines).toEqual([]);
    expect(inspect({ application: application(key, bound) }).lines).toEqual([]);
    expect(inspect({ application: application(key, value), node: application(key, value) }).lines).toEqual([]);
  });

  it.each([
    ['memory-max', '513m', '512m'],
    ['memory-high', '513m', '512m'],
    ['memory-swap-max', '513m', '512m'],
    ['cpu-quota', '151%', '150%'],
    ['cpu-weight', '51', '50'],
    ['io-weight', '51', '50'],
    ['tasks-max', '51', '50'],
    ['limit-nofile', '600', '500'],
  ])('than site or node set: %s', (key, value, bound) => {
    expect(inspect({ application: application(key, value), site: application(key, bound) }).lines).toEqual([
      less(key, value, bound, '/etc/metactl/site/myapp.conf:2'),
    ]);
    expect(inspect({ application: application(key, value), node: application(key, bound) }).lines).toEqual([
      less(key, value, bound, '/etc/metactl/nodes/myapp.conf:2'),
    ]);
    expect(inspect({ application: application(key, bound), node: application(key, value) }).lines).toEqual([]);
  });

  it('nice, where the node is more generous', () => {
    const node = application('nice', '-10');
    expect(inspect({ application: application('nice', '-10'), node }).lines).toEqual([]);
    expect(inspect({ application: application('nice', '-11'), node }).lines).toEqual([
      less('nice', '-11', '-10', '/etc/metactl/nodes/myapp.conf:2', false),
    ]);
  });

  it('names may not be resolved more often', () => {
    const often = (value: string) => `[firewall.out]\nresolve-interval = ${value}\n`;
    const told = less('resolve-interval', '1s', '60s', 'the built-in default', false);
    expect(inspect({ application: often('1s') }).lines).toEqual([told]);
    expect(inspect({ application: often('1m') }).lines).toEqual([]);
    expect(inspect({ application: often('5s'), node: often('5s') }).lines).toEqual([]);
  });

  it('a limit that nobody sets is not bounded', () =>
    expect(inspect({ application: application('memory-max', '100g') }).lines).toEqual([]));

  it('every key of limits, weights and nice has the rule', () => {
    const daemon = APP_SECTIONS.find(({ name }) => name === 'daemon.*')!;
    const ruled = daemon.keys.filter((key) => key.onlyLess !== undefined || key.layers !== undefined);
    const limits = daemon.keys.filter((key) => /^(limit-|memory-|cpu-|io-|tasks-|nice$|oom-|log\.max)/.test(key.key));
    expect(limits.filter((key) => !ruled.includes(key))).toEqual([]);
    expect(limits.length).toBeGreaterThan(25);
  });
});

describe('what .metactl may read', () => {
  it('no files', () => {
    const files = { application: '[env]\nX = %(file:/etc/hostname)\n' };
    expect(inspect(files).lines).toEqual([`.metactl:2:5: ${forbidden('`%(file:…)`')}`]);
  });

  it('no secrets of other sections', () => {
    const site = '[build]\nrepo = https://bot:hunter2@git.example.org/x\ntag = 1.2\n';
    expect(inspect({ application: '[env]\nX = %(build:repo)\n', site }).lines).toEqual([
      `.metactl:2:5: found %(build:repo) in .metactl, expected a name whose value an application may read; set the value in ${NODE}`,
    ]);
    expect(inspect({ application: '[env]\nX = %(build:tag)\n', site }).lines).toEqual([]);
  });
});

describe('a value that only the node may choose', () => {
  const HOST = '[sandbox.net]\nmode = host\n';

  it('is an error in the site files, and from an app that is trusted as the site is', () => {
    expect(inspect({ site: HOST }).lines).toEqual([
      `/etc/metactl/site/myapp.conf:2:8: found \`[sandbox.net] mode\` = host in the site file, expected it in the node file; move it to ${NODE}`,
    ]);
    const trusted = { application: HOST, node: '[trust]\napplication = full\n' };
    expect(inspect(trusted).lines).toHaveLength(1);
    const through = { defaults: '[env]\nNET = host\n', node: '[sandbox.net]\nmode = %(NET)\n' };
    expect(inspect(through).lines).toHaveLength(1);
  });

  it('is for the node file, and others are for all', () => {
    expect(inspect({ node: HOST }).lines).toEqual([]);
    expect(inspect({ site: '[sandbox.net]\nmode = nat\n' }).lines).toEqual([]);
  });
});

describe('daemons that only .metactl has', () => {
  const many = (count: number, from = 0) =>
    Array.from({ length: count }, (_, at) => `[daemon.d${from + at}]\ncommand = x\n`).join('');
  const told = (most: number, by: string) =>
    `found more than ${most} daemons that only .metactl has, expected at most that many (${by}); ` +
    `name them in ${NODE}, where their limits belong too, or raise [trust] daemons-max there`;

  it('are at most 16, beside those of administrators', () => {
    expect(inspect({ application: many(16) }).lines).toEqual([]);
    expect(inspect({ application: many(17) }).lines).toEqual([`.metactl:33:2: ${told(16, 'the built-in default')}`]);
    expect(inspect({ application: many(17), node: '[daemon.d3]\nmemory-max = 64m\n' }).lines).toEqual([]);
    expect(inspect({ node: many(17) }).lines).toEqual([]);
  });

  it('are as many as an administrator says', () => {
    expect(inspect({ application: many(1), node: '[trust]\ndaemons-max = 0\n' }).lines).toEqual([
      `.metactl:1:2: ${told(0, `${NODE}:2`)}`,
    ]);
    expect(inspect({ application: many(20), site: '[trust]\ndaemons-max = 20\n' }).lines).toEqual([]);
    expect(inspect({ application: many(20), node: '[trust]\napplication = full\n' }).lines).toEqual([]);
  });
});
