import type { NodeConfig } from '../../config/types.ts';
import { formatIpv6, parseIpv6 } from '../../util/ipv6.ts';
import { containsIpv6, type Ipv6Range, ipv6RangeOf, parseIpv6Range } from '../../util/ipv6-range.ts';
import type { AddressPool } from './address-pool.ts';

/** One IPv6 route of the host. */
export interface Ipv6Route {
  readonly device: string;
  readonly destination: Ipv6Range;
  /** 0 where it is on the link. */
  readonly gateway: bigint;
}

export interface Ipv6HostAddresses {
  readonly routes: readonly Ipv6Route[];
  readonly own: readonly bigint[];
}

/** linux/ipv6_route.h: routes to the host's own addresses, and to nowhere. */
const RTF_LOCAL = 0x80000000;
const RTF_REJECT = 0x200;
const RTF_UP = 0x1;

/** Parses /proc/net/ipv6_route. Pure. */
export function parseIpv6Routes(text: string): Ipv6Route[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10)
    .filter(([, , , , , , , , flags = '']) => {
      const bits = Number.parseInt(flags, 16);
      return (bits & RTF_UP) !== 0 && (bits & (RTF_REJECT | RTF_LOCAL)) === 0;
    })
    .map(([destination = '', bits = '', , , gateway = '', , , , , device = '']) => ({
      device,
      destination: ipv6RangeOf(BigInt(`0x${destination}`), Number.parseInt(bits, 16)),
      gateway: BigInt(`0x${gateway}`),
    }));
}

/** linux/ipv6_route.h: a default route that a router has advertised. */
const RTF_DEFAULT = 0x10000;

/** Devices with such a route, from the text of /proc/net/ipv6_route. Pure. */
export function parseIpv6Defaults(text: string): string[] {
  const found = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10 && (Number.parseInt(fields[8]!, 16) & RTF_DEFAULT) !== 0)
    .map((fields) => fields[9]!);
  return [...new Set(found)];
}

/** The node's IPv6 pool; undefined where [network] pool has no IPv6 network. Pure. */
export function ipv6Pool(node: Pick<NodeConfig, 'pool'>, host: Ipv6HostAddresses): AddressPool | undefined {
  const words = node.pool.filter((word) => word.includes(':'));
  if (words.length === 0) return undefined;
  const ranges = words.flatMap((word) => parseIpv6Range(word) ?? []);
  const never = new Set([...host.own, ...host.routes.map(({ gateway }) => gateway)]);
  // The first address of a network is that of all its routers (RFC 4291, 2.6.1).
  const networks = [...ranges, ...host.routes.map(({ destination }) => destination)];
  for (const { first, last } of networks) if (last > first + 1n) never.add(first);
  return {
    family: 6,
    text: words.join(' '),
    has: (address) => within(ranges, parseIpv6(address)),
    isReserved: (address) => never.has(parseIpv6(address) ?? 0n),
    firstFree: (taken) => firstFree(ranges, never, taken),
    isRoutedBesides: () => false,
    isOnLink: (device, address) =>
      within(
        host.routes
          .filter((route) => route.device === device && route.gateway === 0n)
          .map(({ destination }) => destination)
          // Neither the default route, nor multicast (ff00::/8 of every device).
          .filter(({ first }) => first > 0n && first >> 120n !== 0xffn),
        parseIpv6(address),
      ),
  };
}

function within(ranges: readonly Ipv6Range[], address: bigint | undefined): boolean {
  return address !== undefined && ranges.some((range) => containsIpv6(range, address));
}

function firstFree(
  ranges: readonly Ipv6Range[],
  never: ReadonlySet<bigint>,
  taken: ReadonlySet<string>,
): string | undefined {
  for (const { first, last } of ranges) {
    for (let address = first; address <= last; address++) {
      if (never.has(address)) continue;
      const text = formatIpv6(address);
      if (!taken.has(text)) return text;
    }
  }
  return undefined;
}
