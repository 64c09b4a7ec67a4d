import { parseIpv6 } from '../../util/ipv6.ts';
import { parseIpv6Range } from '../../util/ipv6-range.ts';
import type { SectionSpec } from '../types.ts';
import { readValue } from '../values.ts';
import { isIpv4 } from './sandbox.ts';

/** Sections of `/etc/metactl/metactl.conf`, the node's own file. */
export const NODE: readonly SectionSpec[] = [
  {
    name: 'node',
    doc: 'This server.',
    keys: [
      { key: 'name', type: 'text', read: readName, expected: 'a host name', doc: 'Default: the host name.' },
      {
        key: 'site',
        type: 'text',
        default: 'default',
        read: readName,
        expected: 'a name',
        doc: 'The deployment environment: devel, test, production …',
      },
      {
        key: 'uid-range',
        type: 'text',
        default: '70000-99999',
        read: readRange,
        expected: 'a range such as 70000-99999',
        doc: 'User ids for apps, one each.',
      },
      {
        key: 'subuid-range',
        type: 'text',
        default: '524288-1879048191',
        read: readRange,
        expected: 'a range such as 524288-1879048191',
        doc: 'User ids for user namespaces, 65536 per app.',
      },
      {
        key: 'service-manager',
        type: 'enum',
        values: ['auto', 'systemd', 'smf', 'upstart', 'none'],
        default: 'auto',
        doc: 'What starts apps at boot.',
      },
    ],
  },
  {
    name: 'network',
    doc: 'Addresses of apps.',
    keys: [
      {
        key: 'pool',
        type: 'list',
        read: (text) => {
          const words = readValue({ key: '', type: 'list', doc: '' }, text) as readonly string[] | undefined;
          return words?.every(isPool) ? words : undefined;
        },
        expected: 'networks such as 10.4.0.0/16, 10.4.1.* or 2001:db8:4::/64',
        doc: 'Where the addresses of apps are taken from, separated by spaces. Each app gets one of every family that is here.',
      },
      {
        key: 'uplink',
        type: 'text',
        read: (text) => (/^[^\s/:]{1,15}$/.test(text) && text !== '.' && text !== '..' ? text : undefined),
        expected: 'the name of a network interface',
        doc: 'Interface behind which other servers are; default: that of the default route.',
      },
    ],
  },
  ...['dns', 'fleet', 'balancer'].map(
    (name): SectionSpec => ({
      name,
      doc: 'For later versions.',
      keys: [{ key: '*', type: 'text', unbuilt: 'harmless', doc: 'Not read by this version.' }],
    }),
  ),
];

function readName(text: string): string | undefined {
  return /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/.test(text) ? text : undefined;
}

/** `LOW-HIGH`, both inclusive. */
export function parseRange(text: string): readonly [number, number] | undefined {
  const match = /^(\d{1,10})-(\d{1,10})$/.exec(text);
  if (match === null) return undefined;
  const [low, high] = [Number(match[1]), Number(match[2])];
  // 4294967295 is (uid_t) −1, "no user" to the kernel.
  return low > 0 && low <= high && high < 4_294_967_295 ? [low, high] : undefined;
}

function readRange(text: string): string | undefined {
  return parseRange(text) === undefined ? undefined : text;
}

/** `a.b.c.*`, or a network with all host bits zero; /8 to /32, IPv6 /16 to /128. */
function isPool(word: string): boolean {
  if (word.includes(':')) return isIpv6Pool(word);
  if (word.endsWith('.*')) return isIpv4(`${word.slice(0, -2)}.0`);
  const [address = '', bits = '', ...more] = word.split('/');
  if (more.length > 0 || !isIpv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) < 8 || Number(bits) > 32)
    return false;
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return number % 2 ** (32 - Number(bits)) === 0;
}

function isIpv6Pool(word: string): boolean {
  const [address = '', bits = ''] = word.split('/');
  const range = parseIpv6Range(word);
  return range !== undefined && /^\d{2,3}$/.test(bits) && Number(bits) >= 16 && parseIpv6(address) === range.first;
}
