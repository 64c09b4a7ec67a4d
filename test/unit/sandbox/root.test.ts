import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MountRequest } from '../../../src/sandbox/mounts.ts';
import type { MountStep, RootPlan } from '../../../src/sandbox/plan.ts';
import { planRoot, type RootInput } from '../../../src/sandbox/root.ts';
import { type FakeMachine, fakeFacts } from '../../helpers/fake-facts.ts';

const RELEASE = '/var/lib/metactl/apps/web/releases/7';
const STATE = '/var/lib/metactl/apps/web/state';

function plan(machine: FakeMachine = {}, changes: Partial<RootInput> = {}) {
  const paths = { [RELEASE]: 'directory', [STATE]: 'directory', ...machine.paths } as FakeMachine['paths'];
  return planRoot({
    facts: fakeFacts({ ...machine, ...(paths === undefined ? {} : { paths }) }),
    covered: ['/etc/metactl', '/var/lib/metactl', '/var/log/metactl', '/run/metactl'],
    directory: RELEASE,
    directoryLink: '/var/lib/metactl/apps/web/current',
    stateDirectory: STATE,
    own: [RELEASE, STATE],
    others: [],
    temporary: { tmp: '/run/metactl/web/tmp/tmp', varTmp: '/run/metactl/web/tmp/var-tmp' },
    files: { '/etc/passwd': 'root:x:0:0\n', '/etc/resolv.conf': 'nameserver 192.0.2.53\n' },
    devices: [],
    devicesPlace: '/f:3: ',
    mounts: [],
    ...changes,
  });
}

const targets = (steps: readonly MountStep[], op: MountStep['op']) =>
  steps.filter((step) => step.op === op).map((step) => step.target);
const position = (steps: readonly MountStep[], test: (step: MountStep) => boolean) => steps.findIndex(test);
const request = (target: string, changes: Partial<MountRequest> = {}): MountRequest => ({
  target,
  kind: 'ro',
  source: target,
  size: 4096,
  origin: 'nodes/web.conf:3',
  trusted: true,
  ...changes,
});

describe('the root of a sandbox', () => {
  it('binds the root file system read-only, first', () => {
    expect(plan().steps[0]).toEqual({
      op: 'bind',
      source: '/',
      target: '/',
      recursive: false,
      shared: true,
      readOnly: true,
      noSuid: true,
      noDev: true,
    });
  });

  it('makes places below file systems that are left out, in an empty one of its own', () => {
    const volume = (path: string) => ({ path, fsType: 'ext4', source: `/dev/${path.slice(1)}`, root: '/' });
    const nested = { path: '/var/lib/metactl', fsType: 'nfs4', source: 'server:/m', root: '/' };
    const { steps } = plan({ mounts: [volume('/var'), volume('/home'), nested] });
    const places = steps.flatMap((step) => (['tmpfs', 'mkdir'].includes(step.op) ? [`${step.op} ${step.target}`] : []));
    expect(places).toEqual(
      expect.arrayContaining(['tmpfs /var', 'mkdir /var/tmp', 'mkdir /var/lib/metactl', 'tmpfs /var/lib/metactl']),
    );
    // Nothing of the host is there, so nothing has to be hidden; the mount point of /home itself still is.
    expect(places).not.toContain('tmpfs /var/log');
    expect(places).toContain('tmpfs /home');
    const order = ['tmpfs /var', 'mkdir /var/lib/metactl', 'tmpfs /var/lib/metactl', `mkdir ${STATE}`];
    expect(order.map((place) => places.indexOf(place))).toEqual(
      order.map((place) => places.indexOf(place)).sort((a, b) => a - b),
    );
    expect(steps).toContainEqual(expect.objectContaining({ op: 'bind', target: STATE }));
    expect(steps).toContainEqual(expect.objectContaining({ op: 'remount', target: '/var', readOnly: true }));
  });

  it('makes the place of a volume that it keeps below one that it leaves out', () => {
    const { steps } = plan({
      mounts: [
        { path: '/opt', fsType: 'nfs4', source: 'server:/opt', root: '/' },
        { path: '/opt/vendor', fsType: 'ext4', source: '/dev/vdb', root: '/' },
      ],
    });
    const at = (op: MountStep['op'], target: string) =>
      position(steps, (step) => step.op === op && step.target === target);
    expect(at('tmpfs', '/opt')).toBeGreaterThan(0);
    expect(at('mkdir', '/opt/vendor')).toBeGreaterThan(at('tmpfs', '/opt'));
    expect(at('bind', '/opt/vendor')).toBeGreaterThan(at('mkdir', '/opt/vendor'));
  });

  it('keeps local volumes of the operating system and leaves everything else out', () => {
    const { steps, leftOut } = plan({
      mounts: [
        { path: '/usr', fsType: 'ext4', source: '/dev/vdb1', root: '/' },
        { path: '/opt/vendor', fsType: 'xfs', source: '/dev/mapper/vg-opt', root: '/' },
        { path: '/lib64', fsType: 'ext4', source: '/dev/vdb2', root: '/' },
        { path: '/srv/shared', fsType: 'tmpfs', source: 'tmpfs', root: '/' },
        { path: '/usr/share/nfs', fsType: 'nfs4', source: 'server:/export', root: '/' },
        { path: '/opt/fuse', fsType: 'fuseblk', source: '/dev/vdc1', root: '/' },
        { path: '/var', fsType: 'ext4', source: '/dev/vdd1', root: '/' },
        { path: '/proc/sys/fs/binfmt_misc', fsType: 'autofs', source: 'systemd-1', root: '/' },
      ],
    });
    const binds = targets(steps, 'bind');
    expect(binds).toEqual(expect.arrayContaining(['/usr', '/opt/vendor', '/lib64']));
    for (const path of ['/srv/shared', '/usr/share/nfs', '/opt/fuse', '/var']) expect(binds).not.toContain(path);
    expect(leftOut.map(({ path }) => path)).toEqual(['/srv/shared', '/usr/share/nfs', '/opt/fuse', '/var']);
  });

  it('hides what is nobody’s business and brings the app’s own directories back', () => {
    const { steps } = plan();
    const hidden = targets(steps, 'tmpfs');
    for (const path of [
      '/etc/metactl',
      '/var/lib/metactl',
      '/var/log',
      '/run',
      '/home',
      '/root',
      '/var/spool',
      '/etc/ssh',
    ]) {
      expect(hidden).toContain(path);
    }
    const cover = position(steps, (s) => s.op === 'tmpfs' && s.target === '/var/lib/metactl');
    const mkdir = position(steps, (s) => s.op === 'mkdir' && s.target === RELEASE);
    const bind = position(steps, (s) => s.op === 'bind' && s.target === RELEASE);
    const seal = position(steps, (s) => s.op === 'remount' && s.target === '/var/lib/metactl');
    expect([cover, mkdir, bind, seal].every((at) => at >= 0)).toBe(true);
    expect([cover, mkdir, bind, seal]).toEqual([cover, mkdir, bind, seal].sort((a, b) => a - b));
    expect(steps.find((s) => s.op === 'bind' && s.target === RELEASE)).toMatchObject({ readOnly: true });
    expect(steps.find((s) => s.op === 'bind' && s.target === STATE)).not.toHaveProperty('readOnly', true);
    expect(steps).toContainEqual({
      op: 'symlink',
      target: '/var/lib/metactl/apps/web/current',
      to: RELEASE,
      shared: true,
    });
  });

  it.each(['/tmp', '/var/tmp'])('makes the places of a root below %s in the app’s own one', (parent) => {
    const root = `${parent}/r`;
    const covered = ['etc/metactl', 'var/lib/metactl', 'var/log/metactl', 'run/metactl'].map((name) =>
      join(root, name),
    );
    const directory = join(root, RELEASE);
    const stateDirectory = join(root, STATE);
    const paths = Object.fromEntries(
      [...covered, directory, stateDirectory].map((path) => [path, 'directory' as const]),
    );
    const { steps, common } = plan({ paths }, { covered, directory, stateDirectory, own: [directory, stateDirectory] });
    const at = (op: MountStep['op'], target: string) =>
      position(steps, (step) => step.op === op && step.target === target);
    // Nothing of the host is there any more, so nothing is to be hidden.
    for (const path of covered) expect(targets(steps, 'tmpfs')).not.toContain(path);
    const order = [at('bind', parent), at('mkdir', root), at('mkdir', directory), at('bind', directory)];
    expect(order[0]).toBeGreaterThan(0);
    expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
    expect(at('bind', stateDirectory)).toBeGreaterThan(at('mkdir', stateDirectory));
    // What all apps have in common is neither in it nor under it.
    expect(steps.slice(0, common).filter(({ target }) => target.startsWith(parent))).toEqual([]);
  });

  it('seals every cover but the temporary ones', () => {
    const { steps } = plan();
    const sealed = targets(steps, 'remount');
    expect(sealed).toEqual(expect.arrayContaining(['/dev', '/run', '/var/lib/metactl', '/home']));
    expect(sealed).not.toContain('/tmp');
  });

  it('covers generated files with binds from a stage that the app cannot write', () => {
    const { steps } = plan();
    expect(steps).toContainEqual(
      expect.objectContaining({ op: 'bind', from: 'inside', source: '/run/.metactl/passwd', target: '/etc/passwd' }),
    );
    expect(targets(steps, 'overlay')).toEqual([]);
  });

  it('follows resolv.conf where it is a link into /run', () => {
    const { steps } = plan({ paths: { '/etc/resolv.conf': '/run/systemd/resolve/stub-resolv.conf' } });
    const target = '/run/systemd/resolve/stub-resolv.conf';
    expect(targets(steps, 'file')).toContain(target);
    expect(steps).toContainEqual(expect.objectContaining({ op: 'bind', from: 'inside', target }));
  });

  it('overlays /etc where a file is missing, before anything below it is hidden', () => {
    const { steps } = plan({ absent: ['/etc/resolv.conf'] });
    const overlay = position(steps, (s) => s.op === 'overlay' && s.target === '/etc');
    expect(overlay).toBeGreaterThan(0);
    expect(overlay).toBeLessThan(position(steps, (s) => s.op === 'tmpfs' && s.target === '/etc/metactl'));
  });

  it('puts all shared steps before those of one launch', () => {
    const shared = plan().steps.map((step) => step.shared);
    expect(shared.lastIndexOf(true)).toBeLessThan(shared.indexOf(false));
    expect(shared.indexOf(false)).toBeGreaterThan(0);
  });

  it('begins with what is the same for every app of the node', () => {
    const common = ({ steps, common }: RootPlan) => steps.slice(0, common);
    const one = common(plan());
    const other = common(
      plan({ paths: { '/srv/b': 'directory' } }, { files: {}, directory: '/srv/b', own: ['/srv/b'] }),
    );
    expect(one).toEqual(other);
    expect(targets(one, 'tmpfs')).toEqual([
      '/dev',
      '/home',
      '/root',
      '/var/log',
      '/etc/ssh',
      '/var/spool',
      '/etc/metactl',
      '/etc/ssl/private',
    ]);
    expect(targets(one, 'remount').sort()).toEqual([...targets(one, 'tmpfs')].sort());
  });

  it('has nothing in common that an app makes something in, or that comes over something of it', () => {
    const common = ({ steps, common }: RootPlan) => targets(steps.slice(0, common), 'tmpfs');
    const all = common(plan());
    expect(all).not.toContain('/var/lib/metactl');
    expect(common(plan({}, { mounts: [request('/home/data', { kind: 'rw', source: '/srv' })] }))).toEqual(
      all.filter((path) => path !== '/home'),
    );
    expect(common(plan({ absent: ['/etc/resolv.conf'] }))).toEqual(all.filter((path) => !path.startsWith('/etc')));
  });

  it('mounts what the configuration asks for', () => {
    const { steps, leftOut } = plan(
      {
        paths: { '/srv/shared': 'directory' },
        mounts: [{ path: '/srv/shared', fsType: 'tmpfs', source: 'x', root: '/' }],
      },
      { mounts: [request('/srv/shared'), request('/home/data', { kind: 'rw', source: '/srv' })] },
    );
    expect(steps).toContainEqual(
      expect.objectContaining({ op: 'bind', target: '/srv/shared', readOnly: true, recursive: true }),
    );
    expect(steps).toContainEqual(expect.objectContaining({ op: 'mkdir', target: '/home/data' }));
    expect(steps).toContainEqual(
      expect.objectContaining({ op: 'bind', source: '/srv', target: '/home/data', readOnly: false }),
    );
    expect(leftOut).toEqual([]);
  });

  it('mounts the outer one first, whatever the order of the lines', () => {
    const paths = { '/srv/in': 'directory' } as const;
    const { steps } = plan({ paths }, { mounts: [request('/srv/in'), request('/srv', { kind: 'tmpfs' })] });
    const at = (target: string) => position(steps, (step) => step.target === target);
    expect(at('/srv')).toBeGreaterThan(0);
    expect(at('/srv/in')).toBeGreaterThan(at('/srv'));
  });

  it('hides under what nobody may write, and lays something over that all may', () => {
    const paths = { '/srv/secret': 'directory', '/srv/scratch': 'directory' } as const;
    const mounts = [request('/srv/secret', { kind: 'hide' }), request('/srv/scratch', { kind: 'tmpfs' })];
    const { steps } = plan({ paths }, { mounts });
    const flags = { op: 'tmpfs', size: 4096, noSuid: true, noDev: true };
    expect(steps).toContainEqual(expect.objectContaining({ ...flags, target: '/srv/secret', mode: 0o755 }));
    expect(steps).toContainEqual(expect.objectContaining({ ...flags, target: '/srv/scratch', mode: 0o1777 }));
    expect(targets(steps, 'remount')).toContain('/srv/secret');
    expect(targets(steps, 'remount')).not.toContain('/srv/scratch');
  });

  it('hides a file under the mask of kernel files, also one that it makes itself', () => {
    const stub = '/run/systemd/resolve/stub-resolv.conf';
    const paths = {
      '/etc/services': 'file',
      '/srv/socket': 'other',
      '/etc/resolv.conf': stub,
      [stub]: 'file',
    } as const;
    const names = ['/etc/services', '/etc/passwd', '/srv/socket', '/etc/resolv.conf'];
    const { steps, masked } = plan({ paths }, { mounts: names.map((name) => request(name, { kind: 'hide' })) });
    expect(masked).toEqual(expect.arrayContaining(['/etc/services', '/etc/passwd', '/srv/socket', stub]));
    expect(targets(steps, 'tmpfs').filter((path) => masked.includes(path))).toEqual([]);
  });

  it('limits how many files may be made in memory', () => {
    const { steps } = plan({}, { mounts: [request('/srv', { kind: 'tmpfs', size: 64 * 1024 * 1024 })] });
    for (const target of ['/srv', '/dev/shm']) {
      expect(steps).toContainEqual(expect.objectContaining({ op: 'tmpfs', target, inodes: 16_384 }));
    }
  });

  it('makes the place of a link to the app directory where a cover lies over it', () => {
    const directory = '/home/shared/www';
    const { steps } = plan(
      { paths: { [directory]: 'directory' } },
      { directory, directoryLink: '/home/dev/sites/www', own: [directory, STATE] },
    );
    const at = (op: string, target: string) => position(steps, (step) => step.op === op && step.target === target);
    expect(at('mkdir', '/home/dev/sites')).toBeGreaterThan(at('tmpfs', '/home'));
    expect(at('symlink', '/home/dev/sites/www')).toBeGreaterThan(at('mkdir', '/home/dev/sites'));
  });

  it.each(['/', '/run', '/tmp', '/etc', '/var', '/proc/sys', '/sys', '/dev/shm'])(
    'mounts nothing over %s',
    (target) => {
      for (const kind of ['ro', 'rw', 'hide', 'tmpfs'] as const) {
        expect(() => plan({}, { mounts: [request(target, { kind, source: '/srv' })] })).toThrow(
          `nodes/web.conf:3: \`${target}\` belongs to the sandbox and can't be mounted over`,
        );
      }
    },
  );

  it.each([
    ['a missing source', request('/srv', { source: '/gone' }), "nodes/web.conf:3: `/gone` isn't there on this server"],
    [
      'a missing mount point',
      request('/nowhere', { source: '/srv' }),
      'nodes/web.conf:3: there is no `/nowhere` to mount on',
    ],
    [
      'a place of its own',
      request('/proc'),
      "nodes/web.conf:3: `/proc` belongs to the sandbox and can't be mounted over",
    ],
    [
      'a tmpfs on a file',
      request('/etc/hosts', { kind: 'tmpfs' }),
      "nodes/web.conf:3: `/etc/hosts` is a file, and a tmpfs can't be mounted on it",
    ],
    [
      'a directory on a file',
      request('/etc/hosts', { source: '/srv' }),
      "nodes/web.conf:3: `/etc/hosts` is a file, and `/srv` can't be mounted on it",
    ],
    [
      'a file on a directory',
      request('/srv', { source: '/etc/hosts' }),
      "nodes/web.conf:3: `/srv` is a directory, and `/etc/hosts` can't be mounted on it",
    ],
  ])('refuses %s', (_, mount, message) => {
    expect(() => plan({}, { mounts: [mount] })).toThrow(expect.objectContaining({ message, exitStatus: 78 }));
  });

  it.each([
    ['a source in the state directory', request('/srv', { kind: 'rw', source: `${STATE}/data` })],
    ['a target in the state directory', request(`${STATE}/data`, { source: '/srv' })],
    ['a tmpfs in the state directory', request(`${STATE}/data`, { kind: 'tmpfs' })],
    ['a source in the release', request('/srv', { source: `${RELEASE}/cache` })],
  ])('follows no link of the app out of its directories: %s', (_, mount) => {
    const paths = { [`${STATE}/data`]: '/etc/metactl', [`${RELEASE}/cache`]: '/root' };
    expect(() => plan({ paths }, { mounts: [mount] })).toThrow(
      expect.objectContaining({ code: 'METACTL_MOUNT_LINK', exitStatus: 78 }),
    );
  });

  it('follows a link that stays in the app’s own directories', () => {
    const paths = { [`${STATE}/data`]: `${STATE}/volume`, [`${STATE}/volume`]: 'directory' };
    const { steps } = plan({ paths }, { mounts: [request('/srv', { kind: 'rw', source: `${STATE}/data` })] });
    expect(steps).toContainEqual(expect.objectContaining({ op: 'bind', source: `${STATE}/volume`, target: '/srv' }));
  });

  it('gives the six default devices, and others only from its list', () => {
    expect(targets(plan().steps, 'device')).toEqual(
      ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((n) => `/dev/${n}`),
    );
    expect(targets(plan({}, { devices: ['/dev/net/tun'] }).steps, 'device')).toContain('/dev/net/tun');
    expect(() => plan({}, { devices: ['/dev/vda'] })).toThrow(
      "/f:3: [sandbox] devices: `/dev/vda` can't be given to a sandbox",
    );
  });
});
