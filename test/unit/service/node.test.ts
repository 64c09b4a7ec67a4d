import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { carryOutInstallation, planInstall, planUninstall } from '../../../src/service/install.ts';
import { NODE_KINDS, nodeManager, nodeModel } from '../../../src/service/node.ts';
import { originOf } from '../../../src/service/service-file.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { lines, PROGRAM, scratch, unsealed } from './models.ts';

const model = nodeModel(pathsFor('/'), PROGRAM);
const textOf = (kind: (typeof NODE_KINDS)[number]) => nodeManager(kind).files(model)[0]!.text;

describe('the supervisor of a node', () => {
  it('is one unit of systemd, which its verifier has nothing to say against', () => {
    expect(
      unsealed(textOf('systemd')),
    ).toBe(`# Made by \`metactl install --node\`, which notices changes and keeps them unless it is forced.
[Unit]
Description=metactl: the supervisor of this node
Wants=network-online.target
After=network-online.target remote-fs.target nss-user-lookup.target
RequiresMountsFor=/etc/metactl /var/lib/metactl
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/local/bin/metactl supervise --boot
ExecReload=/bin/kill -HUP $MAINPID
Delegate=yes
KillMode=mixed
LogRateLimitIntervalSec=1us
Restart=on-failure
RestartSec=1s
RestartPreventExitStatus=69 77 78
TimeoutStartSec=305s
TimeoutStopSec=605s

[Install]
WantedBy=multi-user.target
`);
    const directory = scratch();
    const path = join(directory, 'metactl.service');
    writeFileSync(path, textOf('systemd').replace(PROGRAM[0]!, process.execPath));
    const { stdout, stderr, status } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 });
  });

  it.each(['sysv', 'openrc'] as const)('is a script for %s', (kind) => {
    const file = join(scratch(), 'metactl');
    const [{ text, mode } = { text: '', mode: 0 }] = nodeManager(kind).files(model);
    writeFileSync(file, text);
    expect(spawnSync('/bin/sh', ['-n', file], { encoding: 'utf8' }).stderr).toBe('');
    expect(mode).toBe(0o755);
    expect(text).toContain('\t/usr/local/bin/metactl start all --no-wait\n');
    expect(text.startsWith(kind === 'sysv' ? '#!/bin/sh\n' : '#!/sbin/openrc-run\n')).toBe(true);
  });

  it.each([
    [0, 0],
    [3, 3],
    [77, 4],
    [1, 4],
  ])('whose status is one of LSB: %i is %i', (told, expected) => {
    const [file, metactl] = ['script', 'metactl'].map((name) => join(scratch(), name));
    writeFileSync(metactl!, `#!/bin/sh\ntest "$*" = 'status --node' && exit ${told}\nexit 99\n`, { mode: 0o755 });
    writeFileSync(file!, textOf('sysv').replaceAll(PROGRAM[0]!, metactl!));
    expect(spawnSync('/bin/sh', [file!, 'status']).status).toBe(expected);
  });

  it('is a job of Upstart', () => {
    expect(nodeManager('upstart')).toMatchObject({ name: 'upstart', directory: '/etc/init' });
    const lines = textOf('upstart').split('\n');
    expect(lines).toEqual(expect.arrayContaining(['start on runlevel [2345]', 'respawn', 'kill timeout 605']));
    expect(lines).toContain('exec /usr/local/bin/metactl supervise --boot');
    expect(textOf('upstart-0.6')).toContain(
      'script\n  exec >>/var/log/metactl.log 2>&1\n  exec /usr/local/bin/metactl supervise --boot\nend script\n',
    );
  });

  it.each([
    ['/', 'metactl'],
    ['/srv/other', `metactl-${pathsFor('/srv/other').nodeId}`],
  ])('is a manifest of SMF that is valid by the DTD (root %s)', (root, name) => {
    const file = join(scratch(), 'metactl.xml');
    const text = nodeManager('smf').files(nodeModel(pathsFor(root), PROGRAM))[0]!.text;
    const dtd = join(REPOSITORY, 'test/fixtures/smf/service_bundle.dtd.1');
    writeFileSync(file, text.replace('/usr/share/lib/xml/dtd/service_bundle.dtd.1', dtd));
    const xmllint = (...words: string[]) => {
      const { stdout, stderr, status } = spawnSync('xmllint', ['--nonet', ...words, file], { encoding: 'utf8' });
      expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
      return stdout.trimEnd();
    };
    xmllint('--noout', '--valid');
    expect(xmllint('--xpath', 'string(//service/@name)')).toBe(`site/${name}`);
    expect(xmllint('--xpath', 'string(//instance/@name)')).toBe('default');
    const moved = root === '/' ? '' : ` --root ${root}`;
    expect(xmllint('--xpath', 'string(//exec_method[@name="start"]/@exec)')).toMatch(
      new RegExp(` metactl /usr/local/bin/metactl${moved} supervise --boot$`),
    );
    // `:kill -HUP` would signal the daemons too.
    expect(xmllint('--xpath', 'string(//exec_method[@name="refresh"]/@exec)')).toBe(':true');
  });

  it('has a header that insserv understands', () => {
    const text = textOf('sysv');
    expect(/^### BEGIN INIT INFO\n(?:# [A-Z][A-Za-z-]+: +\S.*\n)+### END INIT INFO$/m.test(text)).toBe(true);
    expect(text).toContain('# Provides:          metactl\n');
  });

  it.each(NODE_KINDS)('%s: is found again, as no app and of this root only', (kind) => {
    const manager = nodeManager(kind);
    const other = { ...model, nodeId: '1a2b' };
    const names = [...manager.files(model), ...manager.files(other)].map(({ name }) => name);
    expect(names[0]).toMatch(/^metactl(?:\.service|\.conf|\.xml)?$/);
    expect(names[1]).toMatch(/^metactl-1a2b(?:\.service|\.conf|\.xml)?$/);
    expect(
      manager.find([...names, 'metactl.shop.service', 'metactl.shop.conf', 'metactl.shop.xml', 'metactl.shop'], '', '')
        .files,
    ).toEqual([names[0]]);
    expect(originOf(manager.files(model)[0]!.text)).toBe('ours');
  });
});

describe('installed and uninstalled', () => {
  const plans = async (kind: (typeof NODE_KINDS)[number], tool?: 'chkconfig') => {
    const directory = scratch();
    const lib = '/nonexistent';
    const manager = { ...nodeManager(kind, tool), directory };
    const plan = planInstall(manager, [model], { enable: true, lib });
    await carryOutInstallation({ ...plan, after: [], records: [] }, false);
    const gone = planUninstall(manager, '', '', lib);
    return [lines(plan.after), lines(gone.before), lines(gone.after)];
  };
  it.each([
    [
      'systemd',
      undefined,
      ['systemctl --no-reload enable metactl.service', 'systemctl daemon-reload'],
      [
        'systemctl stop metactl.service',
        'systemctl reset-failed metactl.service (1 too)',
        'systemctl --no-reload disable metactl.service',
      ],
      ['systemctl daemon-reload'],
    ],
    [
      'upstart',
      undefined,
      ['/sbin/initctl reload-configuration'],
      ['/sbin/initctl stop metactl (1 too)', 'take `manual` out of /etc/init/metactl.override'],
      ['/sbin/initctl reload-configuration'],
    ],
    [
      'smf',
      undefined,
      [
        '/usr/sbin/svccfg import /var/svc/manifest/site/metactl.xml',
        '/usr/sbin/svcadm refresh svc:/site/metactl:default',
      ],
      ['/usr/sbin/svcadm disable -s svc:/site/metactl:default', '/usr/sbin/svccfg delete -f svc:/site/metactl'],
      [],
    ],
    [
      'sysv',
      undefined,
      ['update-rc.d metactl defaults'],
      ['/etc/init.d/metactl stop', 'update-rc.d -f metactl remove'],
      [],
    ],
    ['sysv', 'chkconfig', ['chkconfig --add metactl'], ['/etc/init.d/metactl stop', 'chkconfig --del metactl'], []],
    [
      'openrc',
      undefined,
      ['rc-update add metactl default'],
      ['/etc/init.d/metactl stop', 'rc-update delete metactl default (1 too)'],
      [],
    ],
  ] as const)('by %s (%s)', async (kind, tool, ...expected) => {
    expect(await plans(kind, tool)).toEqual(expected);
  });
});
