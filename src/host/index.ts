import { MetactlError } from '../util/error.ts';
import type { Dial } from './dial.ts';
import type { FileLocks } from './file-lock.ts';
import type { Addresses, Host } from './host.ts';

/**
 * The backend of this operating system: the one switch.
 * @throws MetactlError where metactl does not run.
 */
export async function host(): Promise<Host> {
  if (process.platform === 'linux') return (await import('./linux/linux.ts')).linux;
  throw unsupported();
}

/** A part of `host`, without loading the rest: it would take longer than the whole of `metactl ip`. @throws as `host`. */
export async function addresses(): Promise<Addresses> {
  if (process.platform === 'linux') return (await import('./linux/addresses.ts')).addresses;
  throw unsupported();
}

/** Another part of it, for `metactl status`. @throws as `host`. */
export async function dial(): Promise<Dial> {
  if (process.platform === 'linux') return (await import('./linux/dial.ts')).dial;
  throw unsupported();
}

/** Another part of it. Undefined where this version can't run apps: files are exported there, too. */
export async function fileLocks(): Promise<FileLocks | undefined> {
  return process.platform === 'linux' ? (await import('./linux/file-locks.ts')).fileLocks : undefined;
}

function unsupported(): MetactlError {
  return new MetactlError(`metactl can't run apps on ${process.platform} yet`, {
    code: 'METACTL_UNSUPPORTED_HOST',
    hint: 'this version runs apps on Linux',
  });
}
