import { dirname } from 'node:path';
import { MetactlError } from '../util/error.ts';
import { tmpfsInodes } from '../util/tmpfs.ts';
import type { RootBuilder } from './root-builder.ts';

/** Character devices of every sandbox: name, major, minor (OCI runtime-spec, Default Devices). All 0666. */
const DEVICES: readonly (readonly [string, number, number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];

/** Links of the same list; `core` is left out because /proc/kcore is masked. */
const LINKS: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
];

/** Devices that `[sandbox] devices` may add; anything else would open the host (disks, memory, kernel log). */
const EXTRA_DEVICES: Readonly<Record<string, readonly [number, number]>> = {
  '/dev/fuse': [10, 229],
  '/dev/net/tun': [10, 200],
  '/dev/kvm': [10, 232],
  '/dev/hwrng': [10, 183],
};

const DEV_SIZE = 64 * 1024;
const SHM_SIZE = 64 * 1024 * 1024;

/**
 * Adds `/dev`: a small tmpfs with the default nodes, sealed read-only because with a template mount namespace all
 * launches of the app share it.
 * @param place where the devices are set, `file:line: `, for messages.
 * @param terminals group of terminals, as the host sees it.
 * @throws MetactlError (78) for a device that is not in the list.
 */
export function addDevices(root: RootBuilder, extra: readonly string[], place: string, terminals?: number): void {
  root.tmpfs('/dev', { size: DEV_SIZE, mode: 0o755, seal: true, shared: true, noDev: false, noExec: true });
  for (const [name, major, minor] of DEVICES) {
    root.add({ op: 'device', target: `/dev/${name}`, major, minor, mode: 0o666, shared: true });
  }
  for (const path of extra) {
    const device = Object.hasOwn(EXTRA_DEVICES, path) ? EXTRA_DEVICES[path] : undefined;
    if (device === undefined) {
      throw new MetactlError(`${place}[sandbox] devices: \`${path}\` can't be given to a sandbox`, {
        code: 'METACTL_DEVICE_REFUSED',
        path,
        hint: `these can: ${Object.keys(EXTRA_DEVICES).join(' ')}`,
        exitStatus: 78,
      });
    }
    root.ensure(dirname(path), 'directory', true);
    root.add({ op: 'device', target: path, major: device[0], minor: device[1], mode: 0o666, shared: true });
  }
  for (const [name, to] of LINKS) root.add({ op: 'symlink', target: `/dev/${name}`, to, shared: true });
  for (const name of ['pts', 'shm', 'mqueue']) root.ensure(`/dev/${name}`, 'directory', true);
  const gid = terminals === undefined ? {} : { gid: terminals };
  root.add({ op: 'devpts', target: '/dev/pts', ...gid, shared: false });
  const flags = { noSuid: true, noDev: true, noExec: true };
  const room = { size: SHM_SIZE, inodes: tmpfsInodes(SHM_SIZE) };
  root.add({ op: 'tmpfs', target: '/dev/shm', ...room, mode: 0o1777, shared: false, ...flags });
  root.add({ op: 'mqueue', target: '/dev/mqueue', shared: false });
}
