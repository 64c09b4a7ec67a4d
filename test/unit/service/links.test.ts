import { appendFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { managerOf } from '../../../src/service/index.ts';
import { carryOutInstallation, planInstall } from '../../../src/service/install.ts';
import { thrown } from '../config/root.ts';
import { modelOf, scratch } from './models.ts';

const ONE = '[daemon.web]\ncommand = /bin/web\n';
const runit = managerOf('runit');
const planIn = (to: string) => planInstall(runit, [modelOf(ONE)], { to, enable: true, lib: '/nonexistent' });

/** runit's usual layout: services elsewhere, links to those that run. */
async function linkedServices() {
  const [sv, service] = ['sv', 'service'].map((name) => join(scratch(), name));
  for (const directory of [sv!, service!]) mkdirSync(directory);
  await carryOutInstallation(planIn(sv!), false);
  symlinkSync(join(sv!, 'metactl.shop.web'), join(service!, 'metactl.shop.web'));
  return { sv: sv!, service: service! };
}

it('nothing is written through the link to a service', async () => {
  const { sv, service } = await linkedServices();
  const run = join(sv, 'metactl.shop.web/run');
  appendFileSync(run, '# MINE\n');
  const error = thrown(() => planIn(service));
  expect([error.code, error.message, error.hint]).toEqual([
    'METACTL_LINKED',
    `${service}/metactl.shop.web is a link to ${sv}/metactl.shop.web: nothing is written through it`,
    `name the directory that it leads to: --to ${sv}`,
  ]);
  expect(readFileSync(run, 'utf8')).toMatch(/# MINE\n$/);
});

it('nor through one that came after the look, or one to a log', async () => {
  const { sv } = await linkedServices();
  const directory = scratch();
  const plan = planIn(directory);
  symlinkSync(join(sv, 'metactl.shop.web'), join(directory, 'metactl.shop.web'));
  await expect(carryOutInstallation(plan, true)).rejects.toMatchObject({ code: 'METACTL_LINKED' });

  renameSync(join(sv, 'metactl.shop.web/log'), join(sv, 'log'));
  symlinkSync('../log', join(sv, 'metactl.shop.web/log'));
  const error = thrown(() => planIn(sv));
  expect([error.message, error.hint]).toEqual([
    `${sv}/metactl.shop.web/log is a link to ${sv}/log: nothing is written through it`,
    'name the directory that holds the service itself, or remove the link',
  ]);
});

it('nor is a file taken for a directory that it has become after the look', async () => {
  const directory = scratch();
  const plan = planIn(directory);
  writeFileSync(join(directory, 'metactl.shop.web'), '');
  await expect(carryOutInstallation(plan, true)).rejects.toMatchObject({
    code: 'METACTL_LINKED',
    message: expect.stringMatching(
      /^a directory above \S+\/metactl\.shop\.web\/\S+ has become a link or a file meanwhile: nothing is done through it$/,
    ),
    hint: `look at ${directory}, and who changes it; then run it again`,
  });
});

it('a directory of services may itself be behind a link', async () => {
  const { sv } = await linkedServices();
  const link = join(scratch(), 'service');
  symlinkSync(sv, link);
  appendFileSync(join(sv, 'metactl.shop.web/run'), '# MINE\n');
  await expect(carryOutInstallation(planIn(link), false)).rejects.toMatchObject({ code: 'METACTL_UNIT_CHANGED' });
});

it('an alias of a unit is no unit', async () => {
  const directory = scratch();
  const manager = { ...managerOf('systemd'), directory };
  const plan = () => planInstall(manager, [modelOf(ONE)], { to: directory, enable: true, lib: '/nonexistent' });
  await carryOutInstallation(plan(), false);
  const unit = 'metactl.shop.web.service';
  symlinkSync(join(directory, unit), join(directory, 'metactl.shop.web-x.service'));
  symlinkSync(unit, join(directory, 'metactl.shop.web-y.service'));
  expect(plan().changes.filter(({ kind }) => kind !== 'same')).toEqual([]);
  // A masked one is.
  symlinkSync('/dev/null', join(directory, 'metactl.shop.db.service'));
  expect(plan().changes.filter(({ kind }) => kind !== 'same')).toMatchObject([
    { name: 'metactl.shop.db.service', kind: 'remove', blocked: 'it is no regular file' },
  ]);
});

it('a directory that has the name of a file is found before anything is written', () => {
  const directory = scratch();
  mkdirSync(join(directory, 'metactl.shop.web/run'), { recursive: true });
  const error = thrown(() => planIn(directory));
  expect([error.code, error.message, error.hint]).toEqual([
    'METACTL_DIRECTORY',
    `${directory}/metactl.shop.web/run is a directory: no file can be written there`,
    'look at what is in it, then move it away',
  ]);
});
