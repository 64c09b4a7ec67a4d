import type { SectionSpec } from '../types.ts';
import { readValue } from '../values.ts';
import { isPool, unusableNetwork } from './pool.ts';

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
          const words = wordsOf(text);
          return words?.every((word) => isPool(word) && unusableNetwork(word) === undefined) ? words : undefined;
        },
        expectedInstead: (text) => {
          const words = wordsOf(text);
          const unusable = words?.every(isPool)
            ? words.map(unusableNetwork).find((why) => why !== undefined)
            : undefined;
          return unusable === undefined ? undefined : `networks outside of ${unusable}`;
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

function wordsOf(text: string): readonly string[] | undefined {
  return readValue({ key: '', type: 'list', doc: '' }, text) as readonly string[] | undefined;
}

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
