import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KINDS, managerOf } from '../../../src/service/index.ts';
import { smf } from '../../../src/service/smf.ts';
import { upstart } from '../../../src/service/upstart.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { thrown } from '../config/root.ts';
import { lines, modelOf, SHOP } from './models.ts';

describe.each(KINDS)('%s', (kind) => {
  /** What an administrator would find; reviewed by eye. */
  it('makes exactly the files in test/fixtures/service', () => {
    const directory = join(REPOSITORY, 'test/fixtures/service', kind);
    const golden = readdirSync(directory, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const files = managerOf(kind).files(modelOf(SHOP));
    expect(Object.fromEntries(files.map(({ name, text }) => [name, text]))).toEqual(
      Object.fromEntries(golden.map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')])),
    );
  });
});

describe('Upstart', () => {
  const [DB, WEB] = ['metactl.shop.db', 'metactl.shop.web'];
  const { control, find } = upstart('1.12.1');
  const app = find([`${DB}.conf`, `${WEB}.conf`], 'shop', '');

  it('is driven by initctl, and restarts jobs as they are now', () => {
    expect(lines(control!.start(app, undefined, true))).toEqual([
      `/sbin/initctl start ${DB} (1 too)`,
      `/sbin/initctl start ${WEB} (1 too)`,
    ]);
    expect(lines(control!.start(app, 'web', false))).toEqual([`/sbin/initctl start --no-wait ${WEB} (1 too)`]);
    expect(lines(control!.stop(app, 'db', true))).toEqual([`/sbin/initctl stop ${DB} (1 too)`]);
    expect(lines(control!.restart(app, 'web', true))).toEqual([
      `/sbin/initctl stop ${WEB} (1 too)`,
      `/sbin/initctl start ${WEB} (1 too)`,
    ]);
    expect(lines(control!.removed())).toEqual(['/sbin/initctl reload-configuration']);
  });

  it('keeps jobs from being started at boot by an override', () => {
    const file = `/etc/init/${WEB}.override`;
    const manual = `add \`manual\` to ${file}`;
    const free = `take \`manual\` out of ${file}`;
    const reload = '/sbin/initctl reload-configuration';
    expect(lines(control!.disable(app, 'web'))).toEqual([manual, reload]);
    expect(lines(control!.enable(app, 'web'))).toEqual([free, reload]);
    const added = new Set([`${WEB}.conf`]);
    expect(lines(control!.installed([app], { added, enable: false, relinked: [], disabled: new Set() }))).toEqual([
      manual,
      reload,
    ]);
    expect(lines(control!.installed([app], { added, enable: true, relinked: [], disabled: new Set() }))).toEqual([
      reload,
    ]);
    const disabled = new Set([WEB]);
    expect(lines(control!.installed([app], { added, enable: true, relinked: [], disabled }))).toEqual([manual, reload]);
    expect(lines(control!.removing(app, [WEB]))).toEqual([`/sbin/initctl stop ${WEB} (1 too)`, free]);
  });

  it('0.6.5 can not', () => {
    const old = upstart('0.6.5').control!;
    const error = thrown(() => old.disable(app, 'web'));
    expect([error.code, error.message]).toEqual([
      'METACTL_UNSUPPORTED',
      'this Upstart can’t keep a job that is installed from being started at boot',
    ]);
    expect(lines(old.removing(app, [WEB]))).toEqual([`/sbin/initctl stop ${WEB} (1 too)`]);
  });

  it('says how jobs are, as it did on 1.13.2', () => {
    const output = `metactl.shop.web start/running, process 1234
metactl.shop.db stop/waiting
rc stop/waiting
tty (/dev/tty1) start/running, process 900
metactl.x start/pre-start, process 33
\tpre-start process 34
metactl.y stop/killed, process 35
metactl.z start/spawned
`;
    expect(lines([control!.query(app)])).toEqual(['/sbin/initctl list']);
    expect(control!.states(output)).toEqual([
      { unit: WEB, state: 'running', pid: 1234 },
      { unit: DB, state: 'stopped' },
      { unit: 'rc', state: 'stopped' },
      { unit: 'tty', state: 'running', pid: 900 },
      { unit: 'metactl.x', state: 'starting', pid: 33 },
      { unit: 'metactl.y', state: 'stopping', pid: 35 },
      { unit: 'metactl.z', state: 'starting' },
    ]);
  });
});

describe('SMF', () => {
  const [DB, WEB] = ['svc:/site/metactl/shop:db', 'svc:/site/metactl/shop:web'];
  const [file] = smf.files(modelOf(SHOP));
  const app = smf.find([file!.name], 'shop', '', () => file!.text);
  const control = smf.control!;

  it('knows instances by the manifest', () => {
    expect(app).toEqual({
      app: 'shop',
      nodeId: '',
      files: ['metactl.shop.xml'],
      units: [
        { daemon: 'db', unit: DB },
        { daemon: 'web', unit: WEB },
      ],
    });
    const [single] = smf.files({ ...modelOf(`${SHOP}[service]\nunit = app\n`), nodeId: '1a2b' });
    expect(smf.find([single!.name], 'shop', '1a2b', () => single!.text).units).toEqual([
      { daemon: undefined, unit: 'svc:/site/metactl-1a2b/shop:all' },
    ]);
  });

  it('is driven by svccfg and svcadm', () => {
    expect(
      lines(control.installed([app], { added: new Set(), enable: true, relinked: [], disabled: new Set() })),
    ).toEqual([
      '/usr/sbin/svccfg import /var/svc/manifest/site/metactl.shop.xml',
      `/usr/sbin/svcadm refresh ${DB}`,
      `/usr/sbin/svcadm refresh ${WEB}`,
    ]);
    expect(lines(control.start(app, 'web', true))).toEqual([
      `/usr/sbin/svcadm clear ${WEB} (1 too)`,
      `/usr/sbin/svcadm enable -s ${WEB}`,
    ]);
    expect(lines(control.stop(app, 'web', true))).toEqual([`/usr/sbin/svcadm disable -st ${WEB}`]);
    expect(lines(control.stop(app, 'web', false))).toEqual([`/usr/sbin/svcadm disable -t ${WEB}`]);
    expect(lines(control.restart(app, 'web', true))).toEqual([`/usr/sbin/svcadm restart ${WEB}`]);
    expect(lines(control.enable(app, 'web'))).toEqual([`/usr/sbin/svcadm enable ${WEB}`]);
    expect(lines(control.disable(app, 'web'))).toEqual([`/usr/sbin/svcadm disable ${WEB}`]);
    expect(lines(control.removing(app))).toEqual([
      `/usr/sbin/svcadm disable -s ${DB}`,
      `/usr/sbin/svcadm disable -s ${WEB}`,
      '/usr/sbin/svccfg delete -f svc:/site/metactl/shop',
    ]);
    expect(lines(control.removing(app, [DB]))).toEqual([
      `/usr/sbin/svcadm disable -s ${DB}`,
      `/usr/sbin/svccfg delete -f ${DB}`,
    ]);
    expect(control.removed()).toEqual([]);
    expect(lines([control.query(app)])).toEqual([`/usr/bin/svcs -H -o state,nstate,ctid,fmri ${DB} ${WEB} (1 too)`]);
  });

  it('says how instances are', () => {
    const output = `online         -              84 ${WEB}
offline*       online          - ${DB}
maintenance    -               - svc:/site/metactl/a:all
disabled       -               - svc:/site/metactl/b:all
online*        offline        91 svc:/site/metactl/c:all
degraded       -              92 svc:/site/metactl/d:all
`;
    expect(control.states(output)).toEqual([
      { unit: WEB, state: 'running' },
      { unit: DB, state: 'starting' },
      { unit: 'svc:/site/metactl/a:all', state: 'failed', reason: 'maintenance' },
      { unit: 'svc:/site/metactl/b:all', state: 'stopped' },
      { unit: 'svc:/site/metactl/c:all', state: 'stopping' },
      { unit: 'svc:/site/metactl/d:all', state: 'running' },
    ]);
    expect(control.states("svcs: Pattern 'svc:/site/metactl/x:all' doesn't match any instances\n")).toEqual([]);
  });
});
