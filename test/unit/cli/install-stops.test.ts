import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stopsText } from '../../../src/cli/service.ts';
import { carryOutInstallation, type Going, planInstall } from '../../../src/service/install.ts';
import { systemd } from '../../../src/service/systemd.ts';
import { modelOf } from '../service/models.ts';

const TWO = '[daemon.web]\ncommand = /bin/web\n[daemon.db]\ncommand = /bin/db\n';
const ONE = '[daemon.web]\ncommand = /bin/web\n';
const AS_APP = `[service]\nunit = app\n${TWO}`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-stops-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** What of the units goes when the second configuration takes the place of the first. */
async function goingFrom(first: string, second: string): Promise<readonly Going[]> {
  const to = { to: directory, enable: true, lib: '/nonexistent' };
  await carryOutInstallation(planInstall(systemd, [modelOf(first)], to), false);
  const here = { ...systemd, directory };
  return planInstall(here, [modelOf(second)], { enable: true, lib: '/nonexistent' }).going ?? [];
}

it('what is stopped is told, and what starts those that take its place', async () => {
  expect(stopsText(await goingFrom(TWO, AS_APP), false)).toEqual([
    'stopped shop/db shop/web; `metactl start shop` starts what has taken their place',
  ]);
  expect(stopsText(await goingFrom(AS_APP, TWO), true)).toEqual([
    'would stop shop; `metactl start shop` starts what has taken their place',
  ]);
});

it('what goes for good has nothing in its place', async () => {
  expect(stopsText(await goingFrom(TWO, ONE), false)).toEqual(['stopped shop/db']);
  expect(stopsText(await goingFrom(TWO, TWO), false)).toEqual([]);
  expect(stopsText([], false)).toEqual([]);
});
