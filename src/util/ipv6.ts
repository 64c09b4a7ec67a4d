/** IPv6 addresses as unsigned 128-bit numbers. Pure. */

const GROUP = /^[0-9a-fA-F]{1,4}$/;
const V4_TAIL = /^(.*:)(\d{1,3}(?:\.\d{1,3}){3})$/;
const GROUPS = 8;

/** `2001:db8::7`, `::ffff:192.0.2.1` → number; undefined for anything else (a zone such as `%eth0` too). */
export function parseIpv6(text: string): bigint | undefined {
  const tail = V4_TAIL.exec(text);
  const plain = tail === null ? text : withoutDots(tail[1]!, tail[2]!);
  const halves = plain?.split('::') ?? [];
  if (halves.length === 0 || halves.length > 2) return undefined;
  const [head = [], rest = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = GROUPS - head.length - rest.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...rest];
  if (!groups.every((group) => GROUP.test(group))) return undefined;
  return groups.reduce((number, group) => (number << 16n) | BigInt(Number.parseInt(group, 16)), 0n);
}

/** `::ffff:` and `192.0.2.1` → `::ffff:c000:201`. */
function withoutDots(start: string, dotted: string): string | undefined {
  const parts = dotted.split('.').map(Number);
  if (parts.some((part) => part > 255) || dotted.split('.').some((part) => String(Number(part)) !== part)) {
    return undefined;
  }
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  return `${start}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** The canonical text (RFC 5952): lower case, the longest run of zero groups, of at least two, as `::`. */
export function formatIpv6(number: bigint): string {
  const groups = Array.from({ length: GROUPS }, (_, i) => Number((number >> BigInt(16 * (GROUPS - 1 - i))) & 0xffffn));
  const { start, length } = longestZeroes(groups);
  const write = (some: readonly number[]) => some.map((group) => group.toString(16)).join(':');
  if (length < 2) return write(groups);
  return `${write(groups.slice(0, start))}::${write(groups.slice(start + length))}`;
}

/** The IPv4 address, as a number, in one of ::ffff:0:0/96 (RFC 4291, 2.5.5.2); undefined for all others. */
export function unmapIpv6(number: bigint): number | undefined {
  return number >> 32n === 0xffffn ? Number(number & 0xffff_ffffn) : undefined;
}

function longestZeroes(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
