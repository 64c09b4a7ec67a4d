import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { NodeConfig } from '../../config/types.ts';
import { formatAddress, parseAddress } from '../../util/ip.ts';
import { parseIpv6 } from '../../util/ipv6.ts';
import type { Paths } from '../../util/paths.ts';
import { firstFree, isInPool, isOnLink, isRoutedBesides, parseRoutes, poolOf } from './pool.ts';
import { ipv6Pool, parseIpv6Routes } from './pool6.ts';

/** Addresses of one family that may be leased. They are texts in their canonical form. */
export interface AddressPool {
  readonly family: 4 | 6;
  /** As an administrator would write it, for messages. */
  readonly text: string;
  has(address: string): boolean;
  /** In the pool, but never leased: it belongs to the host, a gateway or a network itself. */
  isReserved(address: string): boolean;
  /** The lowest address that is neither reserved nor taken; undefined where the pool is full. */
  firstFree(taken: ReadonlySet<string>): string | undefined;
  /** Whether hosts with this address would be on the device's own network, not behind a gateway. */
  isOnLink(device: string, address: string): boolean;
  /** In a pool that nobody configured: whether the host has it routed by another device already. */
  isRoutedBesides(device: string, address: string): boolean;
}

/** The pools of a node as it is now. `nat`: IPv4 addresses for apps behind the host's own. */
export function readPools(
  paths: Paths,
  node: NodeConfig,
  nat: boolean,
): { readonly ipv4: AddressPool; readonly ipv6: AddressPool | undefined } {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const host = {
    routes: parseRoutes(readFileSync('/proc/net/route', 'utf8')),
    own: own.flatMap(({ family, address }) => (family === 'IPv4' ? (parseAddress(address) ?? []) : [])),
  };
  const pool = poolOf(paths, nat ? { ...node, pool: [] } : node, host);
  const number = (address: string) => parseAddress(address) ?? -1;
  const ipv4: AddressPool = {
    family: 4,
    text: pool.text,
    has: (address) => isInPool(pool, number(address)),
    isReserved: (address) => pool.isReserved(number(address)),
    firstFree(taken) {
      const free = firstFree(pool, new Set([...taken].map(number)));
      return free === undefined ? undefined : formatAddress(free);
    },
    isOnLink: (device, address) => isOnLink(host.routes, device, number(address)),
    isRoutedBesides: (device, address) =>
      (nat || node.pool.length === 0) && isRoutedBesides(host.routes, device, number(address)),
  };
  return { ipv4, ipv6: readIpv6Pool(node, own) };
}

/** The file may be long and the look-up costs; without an IPv6 pool it is not read. */
function readIpv6Pool(
  node: NodeConfig,
  own: readonly { readonly family: string; readonly address: string }[],
): AddressPool | undefined {
  if (!node.pool.some((word) => word.includes(':'))) return undefined;
  return ipv6Pool(node, {
    routes: parseIpv6Routes(readIfThere('/proc/net/ipv6_route')),
    own: own.flatMap(({ family, address }) => (family === 'IPv6' ? (parseIpv6(address) ?? []) : [])),
  });
}

/** A kernel without IPv6 has no such file; the start then says so. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
