import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requireUnchanged } from '../../../src/service/changes.ts';
import { detectManager } from '../../../src/service/detect.ts';
import { carryOutInstallation, planInstall, planUninstall } from '../../../src/service/install.ts';
import { programOf } from '../../../src/service/program.ts';
import { runSteps } from '../../../src/service/run-steps.ts';
import { hashComment, originOf, seal } from '../../../src/service/service-file.ts';
import { systemd } from '../../../src/service/systemd.ts';
import { upstart } from '../../../src/service/upstart.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { thrown } from '../config/root.ts';
import { lines, modelOf, SHOP, scratch } from './models.ts';

/** Nothing is under way there. */
const LIB = '/nonexistent';
const ONE = '[daemon.web]\ncommand = /bin/web\n';
const kinds = (plan: { readonly changes: readonly { readonly name: string; readonly kind: string }[] }) =>
  plan.changes.map(({ name, kind }) => `${kind} ${name}`);

describe('the mark of metactl', () => {
  it('tells every change, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), fc.nat(), (text, more, at) => {
        const sealed = seal(text, 'metactl install x', hashComment);
        expect(originOf(sealed)).toBe('ours');
        const place = at % (sealed.length + 1);
        const changed = sealed.slice(0, place) + more + sealed.slice(place);
        expect(originOf(changed)).not.toBe('ours');
      }),
    );
  });
  it('stands below what must be first', () => {
    const [first, second, third] = seal('#!/bin/sh\nexec true\n', 'metactl install x', hashComment).split('\n');
    expect(first).toBe('#!/bin/sh');
    expect(second).toMatch(/^# Made by `metactl install x`/);
    expect(third).toMatch(/^# metactl-checksum: sha256:[0-9a-f]{64}$/);
    expect(originOf('[Unit]\n')).toBe('foreign');
  });
});

/** Installs in a scratch directory in the place of systemd's. */
async function install(directory: string, node: string, force = false) {
  const plan = planInstall({ ...systemd, directory }, [modelOf(node)], { to: directory, enable: true, lib: LIB });
  await carryOutInstallation(plan, force);
  return plan;
}

describe('install', () => {
  it('writes what is new, leaves what is the same, removes what is no longer wanted', async () => {
    const directory = scratch();
    expect(kinds(await install(directory, SHOP))).toEqual([
      'add metactl.shop.db.service',
      'add metactl.shop.web.service',
      'add metactl-shop.slice',
      'add metactl.shop.target',
    ]);
    expect(statSync(join(directory, 'metactl.shop.web.service')).mode & 0o7777).toBe(0o644);
    expect(kinds(await install(directory, ONE))).toEqual([
      'change metactl.shop.web.service',
      'same metactl-shop.slice',
      'same metactl.shop.target',
      'remove metactl.shop.db.service',
    ]);
    expect(systemd.find(['metactl.shop.web.service'], 'shop', '').units).toHaveLength(1);
  });

  it('has the manager end what goes, enable what is new, and reload once', async () => {
    const directory = scratch();
    await install(directory, SHOP);
    const plan = planInstall({ ...systemd, directory }, [modelOf(ONE), modelOf(ONE, { app: 'other' })], {
      enable: true,
      lib: LIB,
    });
    expect(lines(plan.before)).toEqual([
      // Else web would be stopped with what it no longer needs.
      'systemctl daemon-reload',
      'systemctl stop metactl.shop.db.service',
      'systemctl reset-failed metactl.shop.db.service (1 too)',
      'systemctl --no-reload disable metactl.shop.db.service',
    ]);
    expect(lines(plan.after)).toEqual([
      'systemctl --no-reload enable metactl.other.target metactl.other.web.service',
      'systemctl daemon-reload',
    ]);
    const quiet = planInstall({ ...systemd, directory }, [modelOf(SHOP)], { enable: true, lib: LIB });
    expect([quiet.before, quiet.after]).toEqual([[], []]);
  });

  it('has the links of what is enabled made anew where [Install] has changed', async () => {
    const directory = scratch();
    await install(directory, SHOP);
    const steps = () => {
      const node = `${SHOP}[systemd.Install]\nWantedBy = x.target\n`;
      return lines(planInstall({ ...systemd, directory }, [modelOf(node)], { enable: true, lib: LIB }).after);
    };
    expect(steps()).toEqual(['systemctl daemon-reload']);
    // `enable` of web only.
    mkdirSync(join(directory, 'metactl.shop.target.wants'));
    symlinkSync('../metactl.shop.web.service', join(directory, 'metactl.shop.target.wants/metactl.shop.web.service'));
    expect(steps()).toEqual(['systemctl --no-reload reenable metactl.shop.web.service', 'systemctl daemon-reload']);
    const other = `${SHOP}[systemd.Service]\nNice = 3\n`;
    expect(lines(planInstall({ ...systemd, directory }, [modelOf(other)], { enable: true, lib: LIB }).after)).toEqual([
      'systemctl daemon-reload',
    ]);
  });

  it('leaves what is new disabled where the app is, and tells', async () => {
    const directory = scratch();
    await install(directory, ONE);
    const planned = (enable = true) => planInstall({ ...systemd, directory }, [modelOf(SHOP)], { enable, lib: LIB });
    const steps = () => lines(planned().after);
    const link = (from: string, to: string) => {
      mkdirSync(join(directory, from), { recursive: true });
      symlinkSync(`../${to}`, join(directory, from, to));
    };
    expect([steps(), planned().disabled, planned(false).disabled]).toEqual([['systemctl daemon-reload'], ['shop'], []]);
    // Its target alone is disabled: its units all have the same links.
    link('metactl.shop.target.wants', 'metactl.shop.web.service');
    const enabled = ['systemctl --no-reload enable metactl.shop.db.service', 'systemctl daemon-reload'];
    expect([steps(), planned().disabled]).toEqual([enabled, []]);
    rmSync(join(directory, 'metactl.shop.target.wants'), { recursive: true });
    // One daemon is disabled, the app is not.
    link('multi-user.target.wants', 'metactl.shop.target');
    expect(steps()).toEqual(enabled);
    // Nothing of it is new.
    rmSync(join(directory, 'multi-user.target.wants'), { recursive: true });
    await install(directory, SHOP);
    expect(planned().disabled).toEqual([]);
  });

  it('does so for Upstart, where each job of an app says `manual`', async () => {
    const directory = scratch();
    const manager = { ...upstart('1.12.1'), directory };
    const [web, db] = ['web', 'db'].map((one) => join(directory, `metactl.shop.${one}.override`)) as [string, string];
    await carryOutInstallation(planInstall(manager, [modelOf(ONE)], { to: directory, enable: true, lib: LIB }), false);
    const planned = (here = manager) => planInstall(here, [modelOf(SHOP)], { enable: true, lib: LIB });
    const reload = '/sbin/initctl reload-configuration';
    expect([lines(planned().after), planned().disabled]).toEqual([[reload], []]);
    writeFileSync(web, '# by hand\nmanual\n');
    expect([lines(planned().after), planned().disabled]).toEqual([
      ['add `manual` to /etc/init/metactl.shop.db.override', reload],
      ['shop'],
    ]);
    // A run that was killed has left it there.
    writeFileSync(db, 'manual\n');
    expect(planned().disabled).toEqual(['shop']);
    writeFileSync(web, 'nice 3\n');
    expect([lines(planned().after), planned().disabled]).toEqual([[reload], []]);
  });

  it('keeps what somebody changed, and does nothing at all then, unless it is forced', async () => {
    const directory = scratch();
    await install(directory, SHOP);
    const file = join(directory, 'metactl.shop.web.service');
    writeFileSync(file, readFileSync(file, 'utf8').replace('KillMode=mixed', 'KillMode=process'));
    const error = (await install(directory, ONE).catch((reason: unknown) => reason)) as MetactlError;
    expect(error).toBeInstanceOf(MetactlError);
    expect([error.message, error.code, error.exitStatus]).toEqual([
      `won't overwrite ${file}: it was changed by hand`,
      'METACTL_UNIT_CHANGED',
      1,
    ]);
    expect(error.hint).toContain('--force');
    expect(readFileSync(join(directory, 'metactl.shop.db.service'), 'utf8')).toContain('shop/db');
    await install(directory, ONE, true);
    expect(readFileSync(file, 'utf8')).toContain('KillMode=mixed');
  });

  it('keeps what it did not make, and masked units', async () => {
    const directory = scratch();
    writeFileSync(join(directory, 'metactl.shop.target'), '[Unit]\n');
    symlinkSync('/dev/null', join(directory, 'metactl.shop.web.service'));
    const plan = planInstall({ ...systemd, directory }, [modelOf(ONE)], { to: directory, enable: true, lib: LIB });
    expect(thrown(() => requireUnchanged(directory, plan.changes)).message).toBe(
      `won't overwrite ${directory}/metactl.shop.web.service: it is no regular file\n` +
        `won't overwrite ${directory}/metactl.shop.target: metactl did not make it`,
    );
    await carryOutInstallation(plan, true);
    expect(statSync(join(directory, 'metactl.shop.web.service')).size).toBeGreaterThan(100);
  });

  it('tells what it can not write', async () => {
    const directory = scratch();
    mkdirSync(join(directory, 'file'));
    writeFileSync(join(directory, 'file/x'), '');
    const error = (await install(join(directory, 'file/x'), ONE).catch((reason: unknown) => reason)) as MetactlError;
    expect(error.message).toBe(`can't list ${directory}/file/x: ENOTDIR`);
  });
});

it('uninstall removes an app, and nothing of another one', async () => {
  const directory = scratch();
  await install(directory, SHOP);
  const other = planInstall({ ...systemd, directory }, [modelOf(ONE, { app: 'shop2' })], {
    to: directory,
    enable: true,
    lib: LIB,
  });
  await carryOutInstallation(other, false);
  const plan = planUninstall({ ...systemd, directory }, 'shop', '', LIB);
  expect(kinds(plan)).toEqual([
    'remove metactl-shop.slice',
    'remove metactl.shop.db.service',
    'remove metactl.shop.target',
    'remove metactl.shop.web.service',
  ]);
  const all = 'metactl.shop.target metactl.shop.db.service metactl.shop.web.service';
  expect(lines(plan.before)).toEqual([
    `systemctl stop ${all}`,
    'systemctl stop metactl-shop.slice',
    `systemctl reset-failed ${all} (1 too)`,
    `systemctl --no-reload disable ${all}`,
  ]);
  expect(lines(plan.after)).toEqual(['systemctl daemon-reload']);
});

describe('steps', () => {
  it('end with the first that fails, and tell what it said', async () => {
    expect(await runSteps([{ argv: ['echo', 'a b'] }, { argv: ['sh', '-c', 'exit 3'], accept: [3] }])).toEqual([
      'a b\n',
      '',
    ]);
    const failure = (argv: readonly string[]) =>
      runSteps([{ argv }]).then(
        () => '',
        (error: MetactlError) => `${error.code}: ${error.message}`,
      );
    expect(await failure(['sh', '-c', 'echo $LC_ALL no such unit >&2; exit 5'])).toBe(
      'METACTL_SERVICE_MANAGER: sh -c echo $LC_ALL no such unit >&2; exit 5: C no such unit',
    );
    expect(await failure(['false'])).toBe('METACTL_SERVICE_MANAGER: false: it ended with 1');
    expect(await failure(['/no/such'])).toBe('METACTL_SERVICE_MANAGER: /no/such: there is no program /no/such');
  });
});

describe('the manager that runs here', () => {
  const facts = (paths: readonly string[], initctl = '', configured = 'auto') => ({
    ...{ configured, initctl },
    present: new Set(paths),
  });
  it.each([
    [facts(['/run/systemd/system', '/run/runit']), { manager: 'systemd' }],
    [facts(['/lib/svc/bin/svc.startd']), { manager: 'smf' }],
    [facts([], 'init (upstart 0.6.5)\n'), { manager: 'upstart', version: '0.6.5' }],
    [facts(['/run/openrc']), { manager: 'openrc' }],
    [facts(['/run/runit']), { manager: 'runit' }],
    [facts(['/run/service/.s6-svscan']), { manager: 's6' }],
    [facts([], 'upstart 1.12.1\n'), { manager: 'none' }],
    [facts([]), { manager: 'none' }],
    [facts(['/run/systemd/system'], '', 'none'), { manager: 'none' }],
    [facts([], 'init (upstart 1.12.1)', 'upstart'), { manager: 'upstart', version: '1.12.1' }],
    [facts([], '', 'smf'), { manager: 'smf' }],
  ])('%o', (given, expected) => {
    expect(detectManager(given)).toEqual(expected);
  });
});

describe('how metactl is called', () => {
  const facts = { node: '/usr/bin/node', script: '/usr/local/lib/node_modules/metactl/bin/metactl.cjs' };
  const found = {
    metactl: { path: '/usr/local/bin/metactl', real: facts.script },
    node: { path: '/usr/bin/node', real: '/usr/bin/node' },
  };
  it('is by its name where that leads here, else by both paths', () => {
    expect(programOf({ ...facts, find: (name) => found[name] }, true)).toEqual(['/usr/local/bin/metactl']);
    const both = [facts.node, facts.script];
    expect(programOf({ ...facts, find: () => undefined }, true)).toEqual(both);
    expect(programOf({ ...facts, node: '/opt/node/bin/node', find: (name) => found[name] }, true)).toEqual([
      '/opt/node/bin/node',
      facts.script,
    ]);
    expect(programOf({ ...facts, find: (name) => ({ ...found[name], real: '/other' }) }, true)).toEqual(both);
  });
  it('names its Node where the manager may not find it', () => {
    expect(programOf({ ...facts, find: (name) => found[name] }, false)).toEqual([
      found.node!.path,
      '/usr/local/bin/metactl',
    ]);
    expect(programOf({ ...facts, find: () => undefined }, false)).toEqual([facts.node, facts.script]);
  });
});
