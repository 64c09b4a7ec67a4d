import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { ManagerName } from './manager.ts';

/** What tells which service manager runs here. */
export interface ManagerFacts {
  /** `[node] service-manager`: `auto`, or which one it is. */
  readonly configured: string;
  /** Paths of `MANAGER_PATHS` that are there. */
  readonly present: ReadonlySet<string>;
  /** What `initctl version` prints: `init (upstart 1.12.1)`; '' where there is none. */
  readonly initctl: string;
}

export interface Detected {
  readonly manager: ManagerName | 'none';
  /** Of Upstart: `1.12.1`. */
  readonly version?: string;
}

/**
 * What each manager makes when it runs: systemd for sd_booted(3), OpenRC for its own scripts, svc.startd wherever SMF is,
 * runit and s6-svscan for their tools.
 */
const SIGNS: readonly (readonly [ManagerName, readonly string[]])[] = [
  ['systemd', ['/run/systemd/system']],
  ['smf', ['/lib/svc/bin/svc.startd']],
  ['openrc', ['/run/openrc']],
  ['runit', ['/run/runit', '/run/runit.stopit']],
  ['s6', ['/run/service/.s6-svscan', '/run/s6/services']],
];
export const MANAGER_PATHS: readonly string[] = SIGNS.flatMap(([, paths]) => paths);

/** Which manager starts apps at boot. Pure. */
export function detectManager({ configured, present, initctl }: ManagerFacts): Detected {
  // `upstart 1.12.1` is a session's own; system-wide it is `init (upstart 1.12.1)`.
  const version = /^init \(upstart ([\d.]+)\)/.exec(initctl)?.[1];
  const upstart: Detected = { manager: 'upstart', ...(version === undefined ? {} : { version }) };
  if (configured === 'upstart') return upstart;
  if (configured !== 'auto') return { manager: configured as ManagerName | 'none' };
  const found = SIGNS.find(([, paths]) => paths.some((path) => present.has(path)));
  if (found?.[0] === 'systemd' || found?.[0] === 'smf') return { manager: found[0] };
  if (version !== undefined) return upstart;
  return { manager: found?.[0] ?? 'none' };
}

/** Looks at this machine. */
export async function managerFacts(configured: string): Promise<ManagerFacts> {
  const present = new Set(MANAGER_PATHS.filter((path) => existsSync(path)));
  const asks = ['auto', 'upstart'].includes(configured) && !present.has('/run/systemd/system');
  return { configured, present, initctl: asks ? await initctlVersion() : '' };
}

function initctlVersion(): Promise<string> {
  return new Promise((resolve) => {
    execFile('/sbin/initctl', ['version'], { timeout: 5000 }, (error, stdout) => resolve(error === null ? stdout : ''));
  });
}
