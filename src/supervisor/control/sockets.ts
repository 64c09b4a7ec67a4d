import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';

/** Where the standalone supervisor of a node listens. Pure. */
export function controlSocket(paths: Paths): string {
  return join(paths.run, 'control.sock');
}

/** Where a daemon's own supervisor listens, in the foreground of a `run`. Pure. */
export function runSocket(paths: Paths, app: string, daemon: string): string {
  return join(paths.runApp(app), `${daemon}.sock`);
}

export interface RunSocket {
  readonly path: string;
  readonly app: string;
  readonly daemon: string;
}

/**
 * Sockets of daemons in the foreground, of all apps or one, sorted. Of a supervisor that was killed the socket is left: who
 * connects finds that out.
 * @throws MetactlError METACTL_NEEDS_ROOT (77) where /run/metactl may not be read.
 */
export function runSockets(paths: Paths, app?: string): RunSocket[] {
  const apps = app === undefined ? directories(paths.run) : [app];
  return apps.flatMap((name) =>
    names(paths.runApp(name)).flatMap((file) => {
      const daemon = /^([a-z][a-z0-9-]*)\.sock$/.exec(file)?.[1];
      return daemon === undefined ? [] : [{ path: join(paths.runApp(name), file), app: name, daemon }];
    }),
  );
}

function directories(path: string): string[] {
  return names(path).filter((name) => /^[a-z][a-z0-9-]*$/.test(name));
}

function names(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    if (code !== 'EACCES') throw error;
    throw new MetactlError('only root may see what is running', {
      code: 'METACTL_NEEDS_ROOT',
      path,
      hint: 'run it as root',
      exitStatus: EXIT.needsRoot,
    });
  }
}
