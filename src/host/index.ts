import { MetactlError } from '../util/error.ts';
import type { Host } from './host.ts';

/**
 * The backend of this operating system: the one switch.
 * @throws MetactlError where metactl does not run.
 */
export async function host(): Promise<Host> {
  if (process.platform === 'linux') return (await import('./linux/linux.ts')).linux;
  throw new MetactlError(`metactl can't run apps on ${process.platform} yet`, {
    code: 'METACTL_UNSUPPORTED_HOST',
    hint: 'this version runs apps on Linux',
  });
}
