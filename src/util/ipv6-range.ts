import { parseIpv6 } from './ipv6.ts';

/** Ranges of IPv6 addresses. Pure. */

/** Inclusive. */
export interface Ipv6Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** The range of `2001:db8::/64` or a single address; undefined for anything else. */
export function parseIpv6Range(text: string): Ipv6Range | undefined {
  const [base = '', bits = '128', ...more] = text.split('/');
  const address = parseIpv6(base);
  const prefix = /^(?:0|[1-9]\d{0,2})$/.test(bits) ? Number(bits) : Number.NaN;
  if (address === undefined || more.length > 0 || !(prefix >= 0 && prefix <= 128)) return undefined;
  return ipv6RangeOf(address, prefix);
}

/** The range of a network: its address with all host bits cleared, and set. */
export function ipv6RangeOf(address: bigint, prefix: number): Ipv6Range {
  const host = (1n << BigInt(128 - prefix)) - 1n;
  const first = address & ~host;
  return { first, last: first | host };
}

export function containsIpv6(range: Ipv6Range, address: bigint): boolean {
  return address >= range.first && address <= range.last;
}
