import { existsSync } from 'node:fs';
import { EXIT, MetactlError } from '../util/error.ts';
import { type Detected, detectManager, managerFacts } from './detect.ts';
import type { Driven } from './drive.ts';
import { readFiles } from './files.ts';
import { installedApp } from './install.ts';
import type { Control, ServiceManager } from './manager.ts';
import { nodeManager } from './node.ts';
import { openrc } from './openrc.ts';
import { runit, s6 } from './runit.ts';
import { smf } from './smf.ts';
import { systemd } from './systemd.ts';
import { isOldUpstart, upstart } from './upstart.ts';

/** What `--export KIND` can be. */
export const KINDS = ['systemd', 'upstart', 'upstart-0.6', 'smf', 'openrc', 'runit', 's6'] as const;
export type Kind = (typeof KINDS)[number];

const MANAGERS: Readonly<Record<Kind, ServiceManager>> = {
  ...{ systemd, smf, openrc, runit, s6 },
  // Where 14.04 and later ended; those from 1.4 on read the same.
  upstart: upstart('1.13'),
  'upstart-0.6': upstart('0.6.5'),
};

/** The manager of a kind, for which files are written. */
export function managerOf(kind: Kind): ServiceManager {
  return MANAGERS[kind];
}

/** The manager that runs here, if metactl can drive it; undefined: none does. */
export async function managerHere(configured: string): Promise<(ServiceManager & { control: Control }) | undefined> {
  const manager = fromDetected(detectManager(await managerFacts(configured)));
  return manager?.control === undefined ? undefined : { ...manager, control: manager.control };
}

/** What an administrator does instead, by the name of the manager that metactl does not drive, or that there is none. */
export type Instead = (manager: string) => string;

const WRITE: Instead = (name) =>
  name === 'none'
    ? 'write files for one with --export KIND --to DIR, or name it in [node] service-manager of metactl.conf'
    : `write its files with --export ${name} --to DIR`;

/** @throws MetactlError METACTL_NO_SERVICE_MANAGER (1), with what can be done instead. */
export async function requireManager(
  configured: string,
  instead: Instead = WRITE,
): Promise<ServiceManager & { control: Control }> {
  const manager = await managerHere(configured);
  if (manager !== undefined) return manager;
  const { manager: name } = detectManager(await managerFacts(configured));
  throw new MetactlError(
    name === 'none' ? 'no service manager that metactl knows runs here' : `metactl does not drive ${name} itself`,
    {
      code: 'METACTL_NO_SERVICE_MANAGER',
      step: 'find the service manager',
      hint: instead(name),
      exitStatus: EXIT.error,
    },
  );
}

function fromDetected({ manager, version }: Detected): ServiceManager | undefined {
  if (manager === 'none') return undefined;
  return manager === 'upstart' && version !== undefined ? upstart(version) : MANAGERS[manager];
}

/**
 * What starts the supervisor of this node at boot: the service manager, else init scripts.
 * @throws MetactlError METACTL_NO_SERVICE_MANAGER (1) where there is neither.
 */
export async function nodeManagerHere(configured: string): Promise<ServiceManager> {
  const { manager, version } = detectManager(await managerFacts(configured));
  if (manager === 'systemd' || manager === 'smf' || manager === 'openrc') return nodeManager(manager);
  if (manager === 'upstart') return nodeManager(isOldUpstart(version ?? '1.13') ? 'upstart-0.6' : 'upstart');
  if (manager === 'none' && existsSync('/etc/init.d')) {
    return nodeManager('sysv', existsSync('/usr/sbin/update-rc.d') ? 'update-rc.d' : 'chkconfig');
  }
  throw new MetactlError(`metactl has no script for ${manager} that starts the supervisor of a node`, {
    code: 'METACTL_NO_SERVICE_MANAGER',
    step: 'find the service manager',
    hint: 'run `metactl start all --no-wait` at boot and `metactl stop all` before the end, or install each app',
    exitStatus: EXIT.error,
  });
}

/**
 * The unit of this node's supervisor, and the manager that keeps it; undefined: there is none, it is masked, or it is a script that only
 * calls `metactl start`.
 * @throws MetactlError METACTL_NEEDS_ROOT (77) where the manager's directory may not be read.
 */
export async function nodeUnitHere(configured: string, nodeId: string): Promise<Driven | undefined> {
  const here = await managerHere(configured);
  if (here === undefined || here.name === 'openrc') return undefined;
  const manager = await nodeManagerHere(configured);
  if (manager.control === undefined) return undefined;
  const installed = installedApp(manager, '', nodeId);
  const found = readFiles(manager.directory, installed.files);
  if (installed.units.length === 0 || found.some(({ text }) => text === undefined)) return undefined;
  return { manager: { ...manager, control: manager.control }, installed };
}
