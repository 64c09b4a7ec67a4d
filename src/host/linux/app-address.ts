import { readFileSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { AppAddress } from '../host.ts';
import { defaultDevice } from './default-device.ts';
import type { AppLease } from './read-leases.ts';

/** Where an app with these leases is reached. An app in the host's network is where the host is. */
export function appAddress({ address, address6, network }: AppLease): AppAddress {
  if (network === 'none') return { address: undefined, address6: undefined, network };
  if (network === undefined) return { address, address6, network };
  const device = defaultDevice(readFileSync('/proc/net/route', 'utf8'));
  return { ...hostAddress(networkInterfaces(), device), network };
}

/**
 * The host's addresses that others know: those of `device`, else of the first device that has some, never link-local
 * ones; without any of a family, its loopback address for IPv4. Pure.
 */
export function hostAddress(
  interfaces: NodeJS.Dict<readonly NetworkInterfaceInfo[]>,
  device: string | undefined,
): { readonly address: string; readonly address6: string | undefined } {
  const all = [...(interfaces[device ?? ''] ?? []), ...Object.values(interfaces).flatMap((list) => list ?? [])];
  const outside = all.filter(({ internal }) => !internal);
  const six = outside.find(({ family, address }) => family === 'IPv6' && !/^fe[89ab]/i.test(address));
  return {
    address: outside.find(({ family }) => family === 'IPv4')?.address ?? '127.0.0.1',
    address6: six?.address,
  };
}
