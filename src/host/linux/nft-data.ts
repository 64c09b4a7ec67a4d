import { formatAddress, parseAddress } from '../../util/ip.ts';
import { formatIpv6, parseIpv6 } from '../../util/ipv6.ts';
import type { DataType } from './nft-types.ts';

/** The values of sets and rules: as text for people, as numbers, and as bytes for the kernel. Pure. */

/** Inclusive. */
export interface NumberRange {
  readonly first: bigint;
  readonly last: bigint;
}

interface TypeFacts {
  /** nft's number for it (its `enum datatypes`), by which `nft list` tells how to print elements. */
  readonly id: number;
  readonly bytes: number;
  readonly parse: (text: string) => bigint | undefined;
  readonly format: (value: bigint) => string;
  /** Ranges that make up a network are printed as one. */
  readonly networks?: true;
  /** In host byte order, as nft's own number for "big-endian" is 2 and for this 1. */
  readonly hostOrder?: true;
}

const IFNAMSIZ = 16;
/** As `nft list` prints them: the names in /etc/protocols. */
const PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58, sctp: 132 };
/** RFC 4861, 2710 and 3810. */
const ICMPV6: Readonly<Record<string, number>> = {
  'mld-listener-report': 131,
  'mld-listener-done': 132,
  'nd-router-solicit': 133,
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
  'mld2-listener-report': 143,
};

const TYPES: Readonly<Record<DataType, TypeFacts>> = {
  ipv4_addr: {
    id: 7,
    bytes: 4,
    parse: (text) => big(parseAddress(text)),
    format: (value) => formatAddress(Number(value)),
    networks: true,
  },
  ipv6_addr: { id: 8, bytes: 16, parse: parseIpv6, format: formatIpv6, networks: true },
  inet_proto: { id: 12, bytes: 1, ...namedNumbers(PROTOCOLS) },
  inet_service: { id: 13, bytes: 2, ...namedNumbers({}) },
  icmpv6_type: { id: 29, bytes: 1, ...namedNumbers(ICMPV6) },
  ifname: { id: 41, bytes: IFNAMSIZ, parse: parseLinkName, format: formatLinkName, hostOrder: true },
};

/** The facts about one type. */
export function factsOf(type: DataType): TypeFacts {
  return TYPES[type];
}

/** Bytes of a value in a register, of which each holds four. */
export function paddedSize(type: DataType): number {
  return Math.ceil(TYPES[type].bytes / 4) * 4;
}

/**
 * Reads `VALUE`, `FIRST-LAST` or, for addresses, `ADDRESS/BITS`.
 * @throws TypeError for anything else: texts come from our own code, which has checked what people wrote.
 */
export function parseValue(type: DataType, text: string): NumberRange {
  const { parse, bytes, networks } = TYPES[type];
  const bits = BigInt(bytes * 8);
  const network = networks ? /^(.+)\/(\d{1,3})$/.exec(text) : null;
  // A protocol's or a link's name may hold a `-`.
  const whole = network === null ? parse(text) : parse(network[1]!);
  if (whole !== undefined) {
    if (network === null) return { first: whole, last: whole };
    const hostBits = bits - BigInt(network[2]!);
    if (hostBits >= 0n) return { first: (whole >> hostBits) << hostBits, last: whole | ((1n << hostBits) - 1n) };
  }
  const [first, last] = text.split('-').map(parse);
  if (first === undefined || last === undefined || first > last) throw new TypeError(`not of type ${type}: ${text}`);
  return { first, last };
}

/** The text that `nft list` prints for a value or a range; a range that is a network as one. */
export function formatValue(type: DataType, { first, last }: NumberRange): string {
  const { format, bytes, networks } = TYPES[type];
  if (first === last) return format(first);
  const size = last - first + 1n;
  if (networks && (size & (size - 1n)) === 0n && first % size === 0n) {
    return `${format(first)}/${bytes * 8 - (size.toString(2).length - 1)}`;
  }
  // Protocols in ranges are printed as numbers.
  return type === 'inet_proto' ? `${first}-${last}` : `${format(first)}-${format(last)}`;
}

/** What nft sorts a value by: what is in host byte order as a little-endian number. */
export function sortKey(type: DataType, text: string): bigint {
  const { first } = parseValue(type, text);
  return TYPES[type].hostOrder ? BigInt(`0x${valueBytes(type, first, false).reverse().toString('hex')}`) : first;
}

/** A value's bytes, padded to registers where it is one of several. */
export function valueBytes(type: DataType, value: bigint, padded: boolean): Buffer {
  const { bytes } = TYPES[type];
  const data = Buffer.alloc(padded ? paddedSize(type) : bytes);
  data.set(Buffer.from(value.toString(16).padStart(bytes * 2, '0'), 'hex'));
  return data;
}

function big(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

function namedNumbers(names: Readonly<Record<string, number>>): Pick<TypeFacts, 'parse' | 'format'> {
  const texts = new Map(Object.entries(names).map(([name, value]) => [value, name]));
  return {
    parse: (text) =>
      /^\d{1,5}$/.test(text) ? BigInt(text) : Object.hasOwn(names, text) ? big(names[text]) : undefined,
    format: (value) => texts.get(Number(value)) ?? String(value),
  };
}

function parseLinkName(text: string): bigint | undefined {
  if (text.length === 0 || text.length >= IFNAMSIZ) return undefined;
  return BigInt(`0x${Buffer.from(text.padEnd(IFNAMSIZ, '\0'), 'latin1').toString('hex')}`);
}

function formatLinkName(value: bigint): string {
  const name = Buffer.from(value.toString(16).padStart(IFNAMSIZ * 2, '0'), 'hex').toString('latin1');
  return `"${name.replace(/\0+$/, '')}"`;
}
