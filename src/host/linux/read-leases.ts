import { readFileSync } from 'node:fs';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';

/** What one app has leased; kept until `purge`, so that the same app always gets the same. */
export interface AppLease {
  readonly address?: string;
  readonly address6?: string;
  readonly uid?: number;
  /** First of 65,536 ids for a user namespace. */
  readonly ids?: number;
  /** The app was last started without an address of its own; what it has leased before stays its. */
  readonly network?: 'host' | 'none';
}

/** The contents of leases.json. */
export interface Leases {
  readonly version: 1;
  readonly apps: Readonly<Record<string, AppLease>>;
}

const NONE: Leases = { version: 1, apps: {} };

/**
 * Reads leases.json; none if it isn't there yet.
 * @throws MetactlError METACTL_LEASES_CORRUPT where it is not what metactl wrote: it is never replaced, because every
 *   app's address and the owner of every app's files depend on it.
 */
export function readLeases(paths: Paths): Leases {
  let text: string;
  try {
    text = readFileSync(paths.leases, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NONE;
    throw leaseError(error, 'read the leases', paths.leases);
  }
  try {
    const value = JSON.parse(text) as Leases;
    if (value.version === 1 && isLeaseTable(value.apps)) return value;
  } catch {
    // Told below: torn or edited, the answer is the same.
  }
  throw new MetactlError(`${paths.leases} is damaged`, {
    code: 'METACTL_LEASES_CORRUPT',
    step: 'read the leases',
    path: paths.leases,
    hint: 'it holds the address and the user id of every app: bring it back from a backup; metactl will not overwrite it',
  });
}

function isLeaseTable(apps: unknown): boolean {
  if (typeof apps !== 'object' || apps === null || Array.isArray(apps)) return false;
  return Object.values(apps as Record<string, unknown>).every((entry) => {
    const { address, address6, uid, ids, network } = (entry ?? {}) as Record<string, unknown>;
    const good = (value: unknown, type: string) => value === undefined || typeof value === type;
    const texts = [address, address6, network].every((text) => good(text, 'string'));
    return typeof entry === 'object' && entry !== null && texts && good(uid, 'number') && good(ids, 'number');
  });
}

/** The app's leases as they are written down, without taking any. @throws MetactlError as `readLeases`. */
export function readLease(paths: Paths, app: string): AppLease {
  const { apps } = readLeases(paths);
  return (Object.hasOwn(apps, app) ? apps[app] : undefined) ?? {};
}

/** A failed system call with the leases, in words. */
export function leaseError(error: unknown, step: string, path: string): MetactlError {
  if (error instanceof MetactlError) return error;
  const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
  const forbidden = code === 'EACCES' && process.geteuid?.() !== 0;
  return new MetactlError(`can't ${step} at ${path}: ${code}`, {
    code,
    step,
    path,
    cause: error,
    ...(syscall === undefined ? {} : { syscall }),
    ...(errno === undefined ? {} : { errno: Math.abs(errno) }),
    hint: forbidden ? 'run it as root' : 'look at the permissions and the space left there',
    exitStatus: forbidden ? EXIT.needsRoot : EXIT.error,
  });
}
