import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import type { PurgeItem } from '../purge-item.ts';
import { mountsBelow } from './mounts-below.ts';
import { readLeases } from './read-leases.ts';

/** What there is of an app beside its configuration: files, logs, leases. */
export function belongings(paths: Paths, app: string): readonly PurgeItem[] {
  const { apps } = readLeases(paths);
  const { address, address6, uid, ids } = Object.hasOwn(apps, app) ? apps[app]! : {};
  const leased = [
    ...(address === undefined ? [] : [`address ${address}`]),
    ...(address6 === undefined ? [] : [`address ${address6}`]),
    ...(uid === undefined ? [] : [`uid ${uid}`]),
    ...(ids === undefined ? [] : [`ids from ${ids}`]),
  ];
  return [
    ...placesOf(paths, app)
      .filter(({ name }) => lstatSync(name, { throwIfNoEntry: false }) !== undefined)
      .map((item) => {
        const mounts = mountsBelow(readFileSync('/proc/self/mountinfo', 'utf8'), item.name);
        return mounts.length === 0 ? item : { ...item, mounts };
      }),
    ...(Object.hasOwn(apps, app) ? [{ kind: 'lease' as const, name: leased.join(', ') || 'nothing' }] : []),
  ];
}

/** Where an app's files and logs are, if it has any. Pure. */
export function placesOf(paths: Paths, app: string): readonly PurgeItem[] {
  return [
    { kind: 'files', name: paths.appHome(app) },
    { kind: 'logs', name: join(paths.log, app) },
  ];
}
