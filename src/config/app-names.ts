import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { nameProblem } from './names.ts';

/** Names of all apps that have a node file, a site file or a place on disk, sorted. */
export function listApps(paths: Paths): string[] {
  const files = [paths.siteDirectory, paths.nodesDirectory]
    .flatMap(list)
    .filter((name) => name.endsWith('.conf'))
    .map((name) => name.slice(0, -'.conf'.length));
  const places = list(join(paths.lib, 'apps'));
  return [...new Set([...files, ...places])].filter((name) => nameProblem(name, 'app') === undefined).sort();
}

/** Without those that are gone: of them the state has stayed, and nothing that could be started. */
export function listPresentApps(paths: Paths): string[] {
  const isThere = (app: string) =>
    [paths.nodesDirectory, paths.siteDirectory].some((directory) => existsSync(join(directory, `${app}.conf`))) ||
    lstatSync(join(paths.appHome(app), 'current'), { throwIfNoEntry: false }) !== undefined;
  return listApps(paths).filter(isThere);
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new MetactlError(`can't list ${directory}: ${(error as NodeJS.ErrnoException).code}`, {
      code: process.geteuid?.() === 0 ? 'METACTL_LIST' : 'METACTL_NEEDS_ROOT',
      path: directory,
      hint: 'run metactl as root',
      cause: error,
      exitStatus: process.geteuid?.() === 0 ? EXIT.error : EXIT.needsRoot,
    });
  }
}
