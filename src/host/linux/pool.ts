import type { NodeConfig } from '../../config/types.ts';
import { type AddressRange, contains, formatRange, parseAddress, parseRange, rangeOf } from '../../util/ip.ts';
import type { Paths } from '../../util/paths.ts';

/** One IPv4 route of the host's main table. */
export interface HostRoute {
  readonly device: string;
  readonly destination: AddressRange;
  /** 0 where it is on the link. */
  readonly gateway: number;
}

/** What of the host decides which addresses can be leased. */
export interface HostAddresses {
  readonly routes: readonly HostRoute[];
  /** The host's own addresses. */
  readonly own: readonly number[];
}

/** Addresses that may be leased, and those in them that may not. */
export interface Pool {
  readonly ranges: readonly AddressRange[];
  /** As an administrator would write it, for messages. */
  readonly text: string;
  isReserved(address: number): boolean;
}

/** Parses /proc/net/route: addresses are hexadecimal in host byte order (little-endian on x86_64 and aarch64). Pure. */
export function parseRoutes(text: string): HostRoute[] {
  const swap = (hex: string) => Number.parseInt(hex.match(/../g)?.reverse().join('') ?? '0', 16);
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8)
    .map(([device = '', destination = '', gateway = '', , , , , mask = '']) => {
      const prefix = Math.log2(2 ** 32 / Math.max(1, 2 ** 32 - swap(mask)));
      return { device, destination: rangeOf(swap(destination), prefix), gateway: swap(gateway) };
    });
}

/**
 * Shared address space (RFC 6598), where no pool is configured: metactl uses 100.64.0.0/16 of it. The node has one half; a moved root takes one of 128 slices of 256 addresses in the other half, by
 * its id.
 */
const DEFAULT_HALF = '100.64.0.0/17';
const SLICES_BASE = '100.64.128.0';
const SLICES = 128;

/** The pool of apps behind the host's own address: `/` has 100.64.0.0/17, a moved root 100.64.(128 + id mod 128).0/24. Pure. */
export function defaultPool(nodeId: string): AddressRange {
  if (nodeId === '') return parseRange(DEFAULT_HALF)!;
  const first = parseAddress(SLICES_BASE)! + (Number.parseInt(nodeId, 16) % SLICES) * 256;
  return { first, last: first + 255 };
}

/** The node's IPv4 pool. Pure. */
export function poolOf(paths: Paths, node: NodeConfig, host: HostAddresses): Pool {
  const words = node.pool.filter((word) => !word.includes(':'));
  const configured = words.length > 0;
  const ranges = configured ? words.flatMap((word) => parseRange(word) ?? []) : [defaultPool(paths.nodeId)];
  const gateways = host.routes.map((route) => route.gateway).filter((gateway) => gateway !== 0);
  const never = new Set([...host.own, ...gateways]);
  for (const range of ranges) if (range.last > range.first + 1) never.add(range.first).add(range.last);
  // First and last of a network that the host is on are that network's own and its broadcast address.
  const networks = host.routes.filter(
    ({ destination: d, gateway }) => gateway === 0 && d.last > d.first + 1 && d.first > 0,
  );
  for (const { destination } of networks) never.add(destination.first).add(destination.last);
  const routed = configured ? [] : host.routes.map((route) => route.destination).filter(isNoDefault);
  return {
    ranges,
    text: configured ? words.join(' ') : `${ranges.map(formatRange).join(' ')} (for apps in mode nat)`,
    isReserved: (address) => never.has(address) || routed.some((range) => contains(range, address)),
  };
}

/** Whether hosts with this address would be on the device's own network, not behind a gateway. Pure. */
export function isOnLink(routes: readonly HostRoute[], device: string, address: number): boolean {
  return routes.some(
    (route) =>
      route.device === device &&
      route.gateway === 0 &&
      isNoDefault(route.destination) &&
      contains(route.destination, address),
  );
}

/** Whether the host has a route to just this address by another device: it is some other app's, of another root. Pure. */
export function isRoutedBesides(routes: readonly HostRoute[], device: string, address: number): boolean {
  return routes.some(
    ({ device: by, destination: { first, last } }) => by !== device && first === address && last === address,
  );
}

/** The default route covers everything and says nothing about what is in use. */
function isNoDefault(range: AddressRange): boolean {
  return range.last - range.first < 2 ** 32 - 1;
}

/** The lowest address that is neither reserved nor taken. Pure. @returns undefined where the pool is full. */
export function firstFree(pool: Pool, taken: ReadonlySet<number>): number | undefined {
  for (const range of pool.ranges) {
    for (let address = range.first; address <= range.last; address++) {
      if (!taken.has(address) && !pool.isReserved(address)) return address;
    }
  }
  return undefined;
}

export function isInPool(pool: Pool, address: number): boolean {
  return pool.ranges.some((range) => contains(range, address));
}
