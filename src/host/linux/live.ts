import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';

/** `/run/metactl/<app>/<daemon>.json`: a hint about what runs, verified behind an open pidfd before anything acts on it. */
export interface LiveState {
  readonly app: string;
  readonly daemon: string;
  /** Host pid of the sandbox's PID 1. */
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTime: string;
  readonly bootId: string;
  /** Inode of the pid namespace that PID 1 is in. */
  readonly pidNamespace: string;
  readonly supervisor: number;
  readonly address?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

function pathOf(paths: Paths, app: string, daemon: string): string {
  return join(paths.runApp(app), `${daemon}.json`);
}

/** Writes by rename, so that a reader never sees half a file. */
export function writeLive(paths: Paths, live: LiveState): void {
  const path = pathOf(paths, live.app, live.daemon);
  const temporary = `${path}.new`;
  writeFileSync(temporary, `${JSON.stringify(live)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** @returns undefined where there is none, or where it is not one of ours (torn, foreign). */
export function readLive(paths: Paths, app: string, daemon: string): LiveState | undefined {
  try {
    const value = JSON.parse(readFileSync(pathOf(paths, app, daemon), 'utf8')) as LiveState;
    return value.app === app && value.daemon === daemon && Number.isInteger(value.pid) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function removeLive(paths: Paths, app: string, daemon: string): void {
  rmSync(pathOf(paths, app, daemon), { force: true });
}

/** Names of the daemons that have a live state, in alphabetical order. */
export function liveDaemons(paths: Paths, app: string): string[] {
  try {
    const names = readdirSync(paths.runApp(app)).flatMap((name) => /^([a-z][a-z0-9-]*)\.json$/.exec(name)?.[1] ?? []);
    return names.filter((name) => readLive(paths, app, name) !== undefined).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
