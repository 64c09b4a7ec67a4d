import { closeSync, constants, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { requireNoMounts } from '../purge-item.ts';
import { belongings, placesOf } from './belongings.ts';
import { changeLeases } from './lease-file.ts';
import { livingDaemons, removeRunDirectory, withAppLock } from './lock.ts';
import { removeTree } from './remove-tree.ts';

/**
 * Removes it; the leases last, since files belong to a leased id. Does nothing for an app that has none of it.
 * @throws MetactlError METACTL_RUNNING while a daemon of the app lives, METACTL_MOUNTED, both before anything is removed; what the system says.
 */
export async function purge(paths: Paths, app: string): Promise<void> {
  await withAppLock(paths, app, async () => {
    const living = livingDaemons(paths, app);
    if (living.length > 0) throw running(app, living);
    requireNoMounts(belongings(paths, app));
    for (const { name } of placesOf(paths, app)) remove(name, app);
    await changeLeases(paths, async (leases) => {
      if (!Object.hasOwn(leases.apps, app)) return leases;
      const { [app]: _, ...others } = leases.apps;
      return { version: 1, apps: others };
    });
    removeRunDirectory(paths, app);
  });
}

function remove(path: string, app: string): void {
  try {
    const parent = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      removeTree(parent, app);
    } finally {
      closeSync(parent);
    }
  } catch (error) {
    const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    throw new MetactlError(`can't remove ${path}: ${code}`, {
      code,
      step: 'purge the app',
      path,
      cause: error,
      hint: code === 'EBUSY' ? 'unmount what is mounted in there' : 'look at what is left there',
      ...(errno === undefined ? {} : { errno }),
      ...(syscall === undefined ? {} : { syscall }),
    });
  }
}

function running(app: string, daemons: readonly string[]): MetactlError {
  return new MetactlError(`${app} is running: ${daemons.join(' ')}`, {
    code: 'METACTL_RUNNING',
    step: 'purge the app',
    hint: `stop it first: metactl stop ${app}`,
  });
}
