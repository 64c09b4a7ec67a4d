import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { changesText, dryRunText } from '../../../src/cli/service.ts';
import { carryOutInstallation, type Installation, planInstall, planUninstall } from '../../../src/service/install.ts';
import type { Step } from '../../../src/service/manager.ts';
import { nodeManager } from '../../../src/service/node.ts';
import { systemd } from '../../../src/service/systemd.ts';
import { readUnfinished, recordOf, unfinishedApps, withChoice, writeRecords } from '../../../src/service/unfinished.ts';
import { lines, modelOf, SHOP, scratch } from './models.ts';

let directory: string;
let lib: string;
beforeEach(() => {
  directory = scratch();
  lib = join(scratch(), 'lib');
});

const ENABLE = 'systemctl --no-reload enable metactl.shop.target metactl.shop.db.service metactl.shop.web.service';
const RELOAD = 'systemctl daemon-reload';
const ONE = '[daemon.web]\ncommand = /bin/web\n';

const plan = (node = SHOP, enable = true) => planInstall({ ...systemd, directory }, [modelOf(node)], { enable, lib });
const unplan = () => planUninstall({ ...systemd, directory }, 'shop', '', lib);

/** Up to this step, which fails; no manager of this machine is asked. */
async function endsAt(installation: Installation, failing: number | undefined): Promise<void> {
  let at = 0;
  const tamed = (steps: readonly Step[]) => steps.map(() => ({ argv: [at++ === failing ? 'false' : 'true'] }));
  const run = carryOutInstallation(
    { ...installation, before: tamed(installation.before), after: tamed(installation.after) },
    true,
  );
  if (failing === undefined) await run;
  else await expect(run).rejects.toThrow('false: it ended with 1');
}

describe('what was begun is completed by the next run', () => {
  it.each([0, 1])('install that ended at step %i', async (failing) => {
    expect(plan()).toMatchObject({ resumed: false });
    await endsAt(plan(), failing);
    const again = plan();
    expect(lines(again.after)).toEqual([ENABLE, RELOAD]);
    expect(again.changes.every(({ kind }) => kind === 'same')).toBe(true);
    expect(await dryRunText(again)).toBe(
      `would finish what an earlier run has left undone\nwould run: ${ENABLE}\nwould run: ${RELOAD}\n`,
    );
    expect(changesText(again)).toContain('finished what an earlier run had left undone\n');
    await endsAt(again, undefined);
    // From now on it is the administrator's business what is enabled.
    expect(plan()).toMatchObject({ before: [], after: [], records: [], resumed: false });
    expect(existsSync(join(lib, 'installing'))).toBe(false);
  });

  it('with the word of the last run on what starts at boot', async () => {
    await endsAt(plan(), 0);
    expect(lines(plan(SHOP, false).after)).toEqual([RELOAD]);
  });

  it('also where some of the files were missing, and some links to be made anew', async () => {
    await endsAt(plan(), 0);
    rmSync(join(directory, 'metactl.shop.target'));
    expect(lines(plan().after)).toEqual([ENABLE, RELOAD]);
    await endsAt(plan(), undefined);
    mkdirSync(join(directory, 'metactl.shop.target.wants'));
    symlinkSync('../metactl.shop.web.service', join(directory, 'metactl.shop.target.wants/metactl.shop.web.service'));
    const other = `${SHOP}[systemd.Install]\nWantedBy = x.target\n`;
    await endsAt(plan(other), 0);
    expect(lines(plan(other).after)).toEqual(['systemctl --no-reload reenable metactl.shop.web.service', RELOAD]);
  });

  it('a target that is new has all of its app enabled', async () => {
    await endsAt(plan(), undefined);
    rmSync(join(directory, 'metactl.shop.target'));
    expect(lines(plan().after)).toEqual([ENABLE, RELOAD]);
  });

  it('uninstall, before and after its files are gone', async () => {
    await endsAt(plan(), undefined);
    await endsAt(unplan(), 0);
    expect(lines(unplan().before)).toHaveLength(4);
    // What uninstall has disabled, install enables.
    expect(lines(plan().after)).toEqual([ENABLE, RELOAD]);
    await endsAt(unplan(), 4);
    expect(readdirSync(directory)).toEqual([]);
    const again = unplan();
    expect(again).toMatchObject({ changes: [], before: [], resumed: true });
    expect(lines(again.after)).toEqual([RELOAD]);
    await endsAt(again, undefined);
    expect(unplan()).toMatchObject({ after: [], resumed: false });
  });

  it('but what somebody has disabled meanwhile stays so, until it is enabled', async () => {
    const units = ['metactl.shop.db.service', 'metactl.shop.web.service'];
    const choose = (chosen: readonly string[] | undefined, enabled: boolean) => {
      const begun = readUnfinished(lib, 'shop', directory)!;
      writeRecords([recordOf(lib, 'shop', withChoice(begun, units, chosen, enabled))]);
    };
    await endsAt(plan(), 0);
    choose(['metactl.shop.web.service'], false);
    expect(lines(plan().after)).toEqual([ENABLE.replace(' metactl.shop.web.service', ''), RELOAD]);
    choose(['metactl.shop.web.service'], true);
    expect(lines(plan().after)).toEqual([ENABLE, RELOAD]);
    choose(undefined, false);
    // Also of files that are still to be written, and where it is broken off once more.
    rmSync(join(directory, 'metactl.shop.web.service'));
    await endsAt(plan(), 0);
    expect(lines(plan().after)).toEqual([RELOAD]);
    choose(['metactl.shop.db.service'], true);
    expect(lines(plan().after)).toEqual([
      'systemctl --no-reload enable metactl.shop.target metactl.shop.db.service',
      RELOAD,
    ]);
    choose(undefined, true);
    expect(lines(plan().after)).toEqual([ENABLE, RELOAD]);
    choose(undefined, false);
    await endsAt(plan(), undefined);
    expect(plan()).toMatchObject({ after: [], resumed: false });
  });

  it('and what a killed run has left beside its files goes', async () => {
    await endsAt(plan(), 0);
    const litter = [
      join(directory, '.metactl.shop.web.service.0123456789ab'),
      join(directory, '.metactl.shop.target.0123456789ab'),
      join(lib, 'installing/.shop.0123456789ab'),
    ];
    const others = ['.metactl.other.web.service.0123456789ab', '.metactl.shop.web.service.swp', 'x'];
    const fresh = '.metactl.shop.db.service.0123456789ab';
    for (const file of [...litter, ...[...others, fresh].map((name) => join(directory, name))]) {
      writeFileSync(file, '');
      // One that somebody is writing just now is none.
      if (!file.endsWith(fresh)) utimesSync(file, 1, 1);
    }
    expect(unfinishedApps(lib)).toEqual(['shop']);
    await endsAt(plan(), undefined);
    expect(litter.filter((file) => existsSync(file))).toEqual([]);
    expect(readdirSync(directory)).toEqual(expect.arrayContaining([...others, fresh]));
    expect(unfinishedApps(lib)).toEqual([]);
  });

  it('of the node, once there is the program for it', async () => {
    const manager = { ...nodeManager('sysv'), directory };
    const model = { ...modelOf(ONE), app: '', services: [{ ...modelOf(ONE).services[0]!, daemon: undefined }] };
    const nodePlan = () => planInstall(manager, [model], { enable: true, lib });
    await endsAt(nodePlan(), 0);
    expect(lines(nodePlan().after)).toEqual(['update-rc.d metactl defaults']);
    await endsAt(nodePlan(), undefined);
    expect(lines(nodePlan().after)).toEqual([]);
  });

  it('not for another manager, and wholly where nobody can read it', async () => {
    await endsAt(plan(), 0);
    expect(readUnfinished(lib, 'shop', '/etc/init')).toBeUndefined();
    writeFileSync(join(lib, 'installing/shop'), 'null');
    await endsAt(plan(), undefined);
    writeFileSyncDeep(join(lib, 'installing'), 'shop', '{"direc');
    expect(lines(plan().after)).toEqual([ENABLE, RELOAD]);
  });
});

function writeFileSyncDeep(parent: string, name: string, text: string): void {
  mkdirSync(parent, { recursive: true });
  writeFileSync(join(parent, name), text);
}

it('new files are there before what goes is ended, and its own until then', async () => {
  await endsAt(plan(), undefined);
  const installation = plan(ONE);
  const files = (): Step[] => [
    { argv: ['grep', '-q', 'Description', join(directory, 'metactl.shop.db.service')] },
    { argv: ['sh', '-c', '! grep -q ^Requires=metactl "$1"', 'sh', join(directory, 'metactl.shop.web.service')] },
  ];
  await carryOutInstallation({ ...installation, before: files(), after: [] }, false);
  expect(existsSync(join(directory, 'metactl.shop.db.service'))).toBe(false);
});

it('the links to a masked unit go with it', async () => {
  await endsAt(plan(), undefined);
  const unit = join(directory, 'metactl.shop.web.service');
  rmSync(unit);
  symlinkSync('/dev/null', unit);
  mkdirSync(join(directory, 'metactl.shop.target.wants'));
  mkdirSync(join(directory, 'multi-user.target.wants'));
  symlinkSync('../metactl.shop.web.service', join(directory, 'metactl.shop.target.wants/metactl.shop.web.service'));
  expect(await dryRunText(unplan())).toContain(
    `would remove ${directory}/metactl.shop.target.wants/metactl.shop.web.service\n`,
  );
  await endsAt(unplan(), undefined);
  expect(readdirSync(directory)).toEqual(['multi-user.target.wants']);
});
