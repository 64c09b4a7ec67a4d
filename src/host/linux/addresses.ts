import type { Addresses } from '../host.ts';
import { appAddress } from './app-address.ts';
import { readLease } from './read-leases.ts';

/** All that `metactl ip` needs of this backend. */
export const addresses: Addresses = { addressOf: (paths, app) => appAddress(readLease(paths, app)) };
