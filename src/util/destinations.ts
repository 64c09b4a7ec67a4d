import { type Box, disjoint } from './boxes.ts';
import { parseRange } from './ip.ts';
import { parseIpv6Range } from './ipv6-range.ts';

/** Where packets may go: an entry of a firewall. */
export interface Destination {
  /** Addresses and networks, v4 and v6. */
  readonly networks: readonly string[];
  /** First and last; absent: all. */
  readonly ports?: readonly [number, number];
  /** Absent: all. */
  readonly protocol?: 'tcp' | 'udp' | 'icmp';
}

/**
 * So many elements a set of an app's firewall may have, for each family. An application can write entries that cut each other
 * into a hundred thousand pieces, and a name's owner can give it any number of addresses: neither may take the machine's time.
 */
export const MOST_ELEMENTS = 1024;

/** IANA's numbers. */
const PROTOCOLS = { '4': { tcp: 6, udp: 17, icmp: 1 }, '6': { tcp: 6, udp: 17, icmp: 58 } } as const;
const ALL_PROTOCOLS = [0, 255] as const;
const ALL_PORTS = [0, 65_535] as const;

/**
 * The destinations of one family without any overlap, each a box of addresses, protocols and ports. Pure.
 * @returns undefined where these would be more than MOST_ELEMENTS.
 */
export function destinationBoxes(family: '4' | '6', destinations: readonly Destination[]): Box[] | undefined {
  const boxes = new Map<string, Box>();
  for (const { networks, ports, protocol } of destinations) {
    const number = protocol === undefined ? undefined : PROTOCOLS[family][protocol];
    const protocols = number === undefined ? ALL_PROTOCOLS : ([number, number] as const);
    for (const network of networks) {
      if (network.includes(':') !== (family === '6')) continue;
      const box = [addressRange(family, network), rangeOf(protocols), rangeOf(ports ?? ALL_PORTS)];
      boxes.set(box.map(({ first, last }) => `${first}-${last}`).join(' '), box);
      if (boxes.size > MOST_ELEMENTS) return undefined;
    }
  }
  return disjoint([...boxes.values()], MOST_ELEMENTS);
}

/** DNS of a resolver is always allowed. Pure. */
export function resolverEntries(address: string): Destination[] {
  const protocols = ['udp', 'tcp'] as const;
  return protocols.map((protocol) => ({ networks: [address], ports: [53, 53], protocol }));
}

/** @throws TypeError for what is no address or network: people's texts have been checked before. */
function addressRange(family: '4' | '6', network: string): Box[number] {
  const range = family === '6' ? parseIpv6Range(network) : parseRange(network);
  if (range === undefined) throw new TypeError(`not a network: ${network}`);
  return { first: BigInt(range.first), last: BigInt(range.last) };
}

function rangeOf([first, last]: readonly [number, number]): Box[number] {
  return { first: BigInt(first), last: BigInt(last) };
}
