import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { insteadOf, requireUnit } from '../../../src/cli/boot-verb.ts';
import { register as disable } from '../../../src/cli/disable.ts';
import { register as enable } from '../../../src/cli/enable.ts';
import { register as install } from '../../../src/cli/install.ts';
import { purgeText, runningBesideUnits, runsText } from '../../../src/cli/purge.ts';
import { register as uninstall } from '../../../src/cli/uninstall.ts';
import { requireElsewhereStopped } from '../../../src/cli/units.ts';
import { idleRecord } from '../../../src/supervisor/control/status-record.ts';
import type { MetactlError } from '../../../src/util/error.ts';
import { runVerb } from '../config/cli.ts';
import { put, scratchRoot, thrown } from '../config/root.ts';

let root: string;
let to: string;
beforeEach(() => {
  root = scratchRoot();
  to = join(mkdtempSync(join(tmpdir(), 'metactl-export-')), 'units');
  put(root, 'etc/metactl/nodes/shop.conf', '[daemon.web]\ncommand = /bin/web\n');
});
afterEach(() => rmSync(join(to, '..'), { recursive: true }));

const refused = (run: Promise<unknown>) =>
  run.then(
    () => expect.unreachable(),
    (error: MetactlError) => [error.message, error.code, error.exitStatus],
  );

describe('install --export', () => {
  it('writes files, and says so', async () => {
    const { stdout } = await runVerb(install, root, 'install', 'shop', '--export', 'runit', '--to', to);
    const [directory] = readdirSync(to);
    expect(directory).toMatch(/^metactl-[0-9a-f]{4}\.shop\.web$/);
    expect(stdout).toBe(['run', 'finish', 'log/run'].map((one) => `wrote ${to}/${directory}/${one}\n`).join(''));
  });

  it('only shows what it would do with --dry-run, as JSON too', async () => {
    const args = ['install', 'shop', '--export', 'upstart', '--to', to, '--dry-run'];
    const { stdout } = await runVerb(install, root, ...args);
    expect(stdout).toMatch(/^--- \/dev\/null\n\+\+\+ .*\.conf\n@@ -0,0 \+1,\d+ @@\n\+# Made by /);
    expect(existsSync(to)).toBe(false);
    const json = JSON.parse((await runVerb(install, root, '--json', ...args)).stdout);
    expect(json).toEqual({
      dryRun: true,
      files: [{ file: expect.stringMatching(/\.shop\.web\.conf$/), change: 'add', blocked: null }],
      commands: [],
    });
    await runVerb(install, root, ...args.slice(0, -1));
    expect((await runVerb(install, root, ...args)).stdout).toBe('nothing would change\n');
  });

  it('puts changed modes right, and shows that', async () => {
    const args = ['install', 'shop', '--export', 'upstart', '--to', to];
    await runVerb(install, root, ...args);
    const file = join(to, readdirSync(to)[0]!);
    chmodSync(file, 0o600);
    expect((await runVerb(install, root, ...args, '--dry-run')).stdout).toBe(`mode 0600 → 0644: ${file}\n`);
    expect((await runVerb(install, root, ...args)).stdout).toBe(`mode 0600 → 0644: ${file}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect((await runVerb(install, root, ...args)).stdout).toBe(`unchanged: ${file}\n`);
  });

  it('keeps what was changed by hand, and tells', async () => {
    const args = ['install', 'shop', '--export', 'upstart', '--to', to];
    await runVerb(install, root, ...args);
    const file = join(to, readdirSync(to)[0]!);
    writeFileSync(file, readFileSync(file, 'utf8').replace('respawn\n', ''));
    expect((await refused(runVerb(install, root, ...args)))[1]).toBe('METACTL_UNIT_CHANGED');
    const { stdout } = await runVerb(install, root, ...args, '--dry-run');
    expect(stdout).toContain('\n+respawn\n');
    expect(stdout).toContain(`${file}: it was changed by hand: needs --force\n`);
    expect((await runVerb(install, root, ...args, '--force')).stdout).toBe(`wrote ${file}\n`);
    expect(readFileSync(file, 'utf8')).toContain('\nrespawn\n');
  });

  it('of all apps, and of the node', async () => {
    put(root, 'etc/metactl/nodes/mail.conf', '[daemon.in]\ncommand = /bin/in\n');
    await runVerb(install, root, 'install', 'all', '--export', 'smf', '--to', to);
    expect(readdirSync(to)).toHaveLength(2);
    await runVerb(install, root, 'install', '--node', '--export', 'sysv', '--to', to);
    expect(readdirSync(to)).toHaveLength(3);
  });

  it('of all apps but those that can not be, which it tells', async () => {
    put(root, 'etc/metactl/nodes/mail.conf', '[daemon.in]\nno-such-key = 1\n');
    put(root, 'etc/metactl/nodes/news.conf', '[daemon.in]\ncommand = /bin/in\n');
    const args = ['install', 'all', '--export', 'upstart', '--to', to];
    const [message, , status] = await refused(runVerb(install, root, ...args));
    expect([message, status]).toEqual([expect.stringContaining('mail.conf:2:1: '), 78]);
    expect(readdirSync(to).map((name) => name.split('.')[1])).toEqual(['news', 'shop']);
    const changed = join(to, readdirSync(to).find((name) => name.includes('.shop.'))!);
    writeFileSync(changed, '');
    rmSync(join(to, readdirSync(to).find((name) => name.includes('.news.'))!));
    const [both, , worst] = await refused(runVerb(install, root, ...args));
    expect([both, worst]).toEqual([expect.stringMatching(/mail\.conf:2:1: .*\nwon't overwrite .*\.shop\./s), 78]);
    expect(readdirSync(to)).toHaveLength(2);
  });

  it.each<[string[], string]>([
    [['shop', '--export', 'upstart'], '--export and --to belong together'],
    [['shop', '--to', '/x'], '--export and --to belong together'],
    [
      ['shop', '--export', 'x', '--to', '/x'],
      '--export: found `x`, expected one of systemd, upstart, upstart-0.6, smf, openrc, runit, s6',
    ],
    [
      ['--node', '--export', 'runit', '--to', '/x'],
      '--export: found `runit`, expected one of systemd, upstart, upstart-0.6, smf, sysv, openrc',
    ],
    [[], 'no app was named'],
    [['shop', '--node'], '--node is about no app'],
  ])('refuses %j', async (args, message) => {
    expect(await refused(runVerb(install, root, 'install', ...args))).toEqual([message, 'METACTL_USAGE', 2]);
  });
});

describe('without a service manager', () => {
  beforeEach(() => put(root, 'etc/metactl/metactl.conf', '[node]\nservice-manager = none\n'));
  it.each([
    ['install', install],
    ['uninstall', uninstall],
    ['enable', enable],
    ['disable', disable],
  ] as const)('%s tells so', async (verb, register) => {
    expect(await refused(runVerb(register, root, verb, 'shop'))).toEqual([
      'no service manager that metactl knows runs here',
      'METACTL_NO_SERVICE_MANAGER',
      1,
    ]);
  });
});

it('enable and disable tell what to do where no manager does it for metactl', async () => {
  put(root, 'etc/metactl/metactl.conf', '[node]\nservice-manager = none\n');
  const error = (await runVerb(enable, root, 'enable', 'shop').catch((reason: unknown) => reason)) as MetactlError;
  expect(error.hint).toBe(
    'metactl install --node has the supervisor of this node started at boot, and with it all apps',
  );
  expect(insteadOf('enable', 'shop', 'web')('openrc')).toBe(
    'once its files are installed: rc-update add metactl.shop.web default',
  );
  expect(insteadOf('disable', 'shop', undefined)('openrc')).toBe(
    'once its files are installed: rc-update delete metactl.shop.DAEMON default',
  );
  expect(insteadOf('disable', 'shop', 'web')('runit')).toBe(
    'remove the link to the directory metactl.shop.web from where runit looks for services',
  );
});

it('uninstall tells of an app that is not installed', async () => {
  put(root, 'etc/metactl/metactl.conf', '[node]\nservice-manager = systemd\n');
  expect(await refused(runVerb(uninstall, root, 'uninstall', 'shop', '--dry-run'))).toEqual([
    'shop is not installed: nothing of it is in /etc/systemd/system',
    'METACTL_NOT_INSTALLED',
    3,
  ]);
});

it('a daemon must have a unit of its own to be enabled or started', () => {
  const app = { app: 'shop', nodeId: '', files: [] };
  const one = { ...app, units: [{ daemon: 'web', unit: 'metactl.shop.web.service' }] };
  const all = { ...app, units: [{ daemon: undefined, unit: 'metactl.shop.service' }] };
  requireUnit(one, 'web');
  requireUnit(all, undefined);
  const told = (units: typeof one | typeof all) => thrown(() => requireUnit(units, 'db'));
  expect([told(one).message, told(one).exitStatus]).toEqual(['shop has no unit for a daemon `db`', 2]);
  expect(told(all).message).toBe('shop has one unit for all its daemons');
});

it('units of what another supervisor runs are not started', () => {
  const idle = idleRecord({ node: 'n', app: 'shop', daemon: 'web' });
  requireElsewhereStopped('shop', [idle, { ...idle, pid: 7, supervisor: { pid: 5, kind: 'run' } }]);
  const error = thrown(() =>
    requireElsewhereStopped('shop', [{ ...idle, pid: 7, supervisor: { pid: 5, kind: 'standalone' } }]),
  );
  expect([error.message, error.code, error.exitStatus]).toEqual([
    'shop/web is kept by the supervisor of this node',
    'METACTL_ALREADY_RUNNING',
    1,
  ]);
});

it('purge lists what it removes', () => {
  const items = [{ kind: 'unit', name: '/u' } as const, { kind: 'lease', name: 'uid 70000' } as const];
  expect(purgeText(items, true)).toBe('would remove unit /u\nwould remove lease uid 70000\n');
  expect(purgeText(items, false)).toBe('removed unit /u\nremoved lease uid 70000\n');
  const changed = [{ kind: 'unit', name: '/u', blocked: 'it was changed by hand' } as const];
  expect(purgeText(changed, true)).toBe('would remove unit /u, with --force: it was changed by hand\n');
  expect(purgeText(changed, false)).toBe('removed unit /u\n');
});

it('purge --dry-run tells what would be stopped, and what would be in its way', () => {
  expect(runsText('shop', { stops: [], inTheWay: [] })).toBe('');
  expect(runsText('shop', { stops: ['metactl.shop.web.service'], inTheWay: [] })).toBe(
    'would stop metactl.shop.web.service\n',
  );
  expect(runsText('shop', { stops: [], inTheWay: ['web', 'db'] })).toBe(
    'would refuse: shop is running: web db; metactl stop shop stops it\n',
  );
  expect(runsText('shop', { stops: ['metactl.shop.db.service'], inTheWay: ['web'] })).toBe(
    'would refuse: shop is running, not in its units: web; metactl stop shop stops it\nwould stop metactl.shop.db.service\n',
  );
});

it('purge tells what runs beside units from what they run', () => {
  const installed = {
    ...{ app: 'shop', nodeId: '', files: [] },
    units: ['db', 'web'].map((daemon) => ({ daemon, unit: `${daemon}.service` })),
  };
  const record = (daemon: string, pid: number) => ({
    ...idleRecord({ node: 'n', app: 'shop', daemon }),
    supervisor: { pid, kind: 'run' as const },
  });
  const states = [
    { unit: 'db.service', state: 'running' as const, pid: 5 },
    { unit: 'web.service', state: 'stopped' as const },
  ];
  expect(runningBesideUnits(installed, states, [record('db', 5)])).toEqual([]);
  expect(runningBesideUnits(installed, states, [record('db', 6), record('web', 7), record('job', 8)])).toEqual([
    'db',
    'web',
    'job',
  ]);
  expect(runningBesideUnits(installed, states, [idleRecord({ node: 'n', app: 'shop', daemon: 'web' })])).toEqual([]);
});
