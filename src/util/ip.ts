/** IPv4 addresses as unsigned 32-bit numbers, and ranges of them. Pure. */

/** Inclusive. */
export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

const PART = /^(?:0|[1-9]\d{0,2})$/;

/** `192.0.2.7` → number; undefined for anything else (no leading zeros: inet_aton reads those as octal). */
export function parseAddress(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => PART.test(part) && Number(part) <= 255)) return undefined;
  return parts.reduce((number, part) => number * 256 + Number(part), 0);
}

export function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** The range of `a.b.c.d/bits`, `a.b.c.*` or a single address; undefined for anything else. */
export function parseRange(text: string): AddressRange | undefined {
  if (text.endsWith('.*')) return parseRange(`${text.slice(0, -2)}.0/24`);
  const [base = '', bits = '32', ...more] = text.split('/');
  const address = parseAddress(base);
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : Number.NaN;
  if (address === undefined || more.length > 0 || !(prefix >= 0 && prefix <= 32)) return undefined;
  return rangeOf(address, prefix);
}

/** The range of a network: its address with all host bits cleared, and set. */
export function rangeOf(address: number, prefix: number): AddressRange {
  const size = 2 ** (32 - prefix);
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
}

export function contains(range: AddressRange, address: number): boolean {
  return address >= range.first && address <= range.last;
}

/** The network that a range is, `10.4.0.0/16`. Pure; the range must be one. */
export function formatRange({ first, last }: AddressRange): string {
  return `${formatAddress(first)}/${32 - Math.log2(last - first + 1)}`;
}
