import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { SandboxPlan } from '../../sandbox/plan.ts';
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
  /** Its user namespace: first id of the block, and inode. */
  readonly ids?: { readonly first: number; readonly inode: number };
  /** `routed`, `nat`, `host` or `none`. */
  readonly network?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

function pathOf(paths: Paths, app: string, daemon: string): string {
  return `${paths.runApp(app)}/${daemon}.json`;
}

/** What a process that enters a running daemon needs: the daemon's own, as it was started, whatever the files say by now. */
export type EntryState = Pick<SandboxPlan, 'process' | 'identity'>;

/** `/run/metactl/<app>/<daemon>.entry`. Its environment holds secrets: root's only, as all of the directory. */
function entryPathOf(paths: Paths, app: string, daemon: string): string {
  return `${paths.runApp(app)}/${daemon}.entry`;
}

/** The entry comes first: whoever finds the daemon can enter. Half of one is none, as one of another start is. */
export function writeLive(paths: Paths, live: LiveState, entry: EntryState): void {
  const { seccompProgram, rlimits, ...process } = entry.process;
  const limits = Object.entries(rlimits).map(([name, pair]) => [name, pair.map(String)]);
  const text = {
    startTime: live.startTime,
    identity: entry.identity,
    process: { ...process, rlimits: limits, seccompProgram: Buffer.from(seccompProgram).toString('base64') },
  };
  write(entryPathOf(paths, live.app, live.daemon), text);
  // By rename, so that a reader never sees half of it.
  const path = pathOf(paths, live.app, live.daemon);
  write(`${path}.new`, live);
  renameSync(`${path}.new`, path);
}

function write(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value)}\n`, { mode: 0o600 });
}

/** @returns undefined where it is not that of this very start, or no entry at all. */
export function readEntry(paths: Paths, { app, daemon, startTime }: LiveState): EntryState | undefined {
  try {
    const value = JSON.parse(readFileSync(entryPathOf(paths, app, daemon), 'utf8'));
    if (value.startTime !== startTime) return undefined;
    const { rlimits, seccompProgram, ...process } = value.process;
    const limits = rlimits.map(([name, pair]: [string, string[]]) => [name, pair.map(Number)]);
    return {
      identity: value.identity,
      process: {
        ...process,
        rlimits: Object.fromEntries(limits),
        seccompProgram: new Uint8Array(Buffer.from(seccompProgram, 'base64')),
      },
    };
  } catch {
    return undefined;
  }
}

/** @returns undefined where there is none, or where it is not one of ours (torn, foreign). */
export function readLive(paths: Paths, app: string, daemon: string): LiveState | undefined {
  const path = pathOf(paths, app, daemon);
  // The usual case at a start, where an error with its stack would cost as much as a mount.
  if (!existsSync(path)) return undefined;
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as LiveState;
    return value.app === app && value.daemon === daemon && Number.isInteger(value.pid) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function removeLive(paths: Paths, app: string, daemon: string): void {
  for (const path of [pathOf(paths, app, daemon), entryPathOf(paths, app, daemon)]) rmSync(path, { force: true });
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
