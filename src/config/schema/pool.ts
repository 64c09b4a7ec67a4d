import { parseRange } from '../../util/ip.ts';
import { parseIpv6 } from '../../util/ipv6.ts';
import { parseIpv6Range } from '../../util/ipv6-range.ts';
import { isIpv4 } from './sandbox.ts';

/** Whether a word of `[network] pool` is `a.b.c.*`, or a network with all host bits zero; /8 to /32, IPv6 /16 to /128. Pure. */
export function isPool(word: string): boolean {
  if (word.includes(':')) return isIpv6Pool(word);
  if (word.endsWith('.*')) return isIpv4(`${word.slice(0, -2)}.0`);
  const [address = '', bits = '', ...more] = word.split('/');
  if (more.length > 0 || !isIpv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) < 8 || Number(bits) > 32)
    return false;
  return parseRange(`${address}/32`)?.first === parseRange(word)?.first;
}

function isIpv6Pool(word: string): boolean {
  const [address = '', bits = ''] = word.split('/');
  const range = parseIpv6Range(word);
  return range !== undefined && /^\d{2,3}$/.test(bits) && Number(bits) >= 16 && parseIpv6(address) === range.first;
}

/** Addresses that no host can have, or that no other host would answer (RFC 6890). */
const UNUSABLE: readonly (readonly [network: string, why: string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['224.0.0.0/3', 'multicast and reserved'],
  ['::/127', 'unspecified and loopback'],
  ['::ffff:0:0/96', 'IPv4-mapped'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
];

/** What of the addresses that no app can have a pool holds, `127.0.0.0/8 (loopback)`; undefined: nothing. Pure. */
export function unusableNetwork(pool: string): string | undefined {
  const found = UNUSABLE.find(([network]) => overlap(pool, network));
  return found === undefined ? undefined : `${found[0]} (${found[1]})`;
}

function overlap(a: string, b: string): boolean {
  if (a.includes(':') !== b.includes(':')) return false;
  const [one, other] = a.includes(':') ? [parseIpv6Range(a), parseIpv6Range(b)] : [parseRange(a), parseRange(b)];
  return one !== undefined && other !== undefined && one.first <= other.last && other.first <= one.last;
}
