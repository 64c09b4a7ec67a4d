import { parseIpv6 } from '../../util/ipv6.ts';
import { PUBLISH_EXPECTED, parsePublishList, publishProblem } from '../../util/publish.ts';
import { splitWords } from '../../util/words.ts';
import { ENDPOINT_EXPECTED, parseEndpoint } from '../endpoint.ts';
import { MOUNT_EXPECTED, parseMount } from '../mount.ts';
import type { SectionSpec } from '../types.ts';
import { readValue } from '../values.ts';
import { ADMINISTRATORS } from './layers.ts';
import { LONGEST_TIMER } from './lifecycle.ts';

/** Of /tmp and of a `tmpfs` of `.metactl`, unless `tmp-size` says otherwise; it counts against the writers' memory-max. */
export const DEFAULT_TMP_SIZE = '256m';

export const SANDBOX: readonly SectionSpec[] = [
  {
    name: 'sandbox',
    doc: 'What the daemons of the app run in.',
    layers: ADMINISTRATORS,
    keys: [
      {
        key: 'enabled',
        type: 'boolean',
        default: 'yes',
        doc: 'no: plain supervision, without namespaces, filters or an address of its own.',
      },
      {
        key: 'best-effort',
        type: 'boolean',
        default: 'no',
        doc: 'yes: a limit that this host cannot enforce is a warning, not an error.',
      },
      {
        key: 'allow-root',
        type: 'boolean',
        default: 'no',
        doc: 'yes: `user = root` is allowed also without a user namespace; it is then the root of the host.',
      },
      {
        key: 'user-namespace',
        type: 'boolean',
        default: 'no',
        doc: 'yes: ids inside are not those of the host: root inside is nobody outside. Each app gets 65536 ids from `[node] subuid-range`.',
      },
      { key: 'capabilities', type: 'list', doc: 'Capabilities that the daemons keep; default: none.' },
      { key: 'devices', type: 'list', doc: 'Devices below /dev beside the minimal set.' },
      {
        key: 'seccomp',
        type: 'enum',
        values: ['default', 'none'],
        default: 'default',
        doc: 'Filter of system calls.',
      },
      {
        key: 'allow-syscalls',
        type: 'list',
        doc: 'System calls, by the names of syscalls(2), that are allowed beside those of the filter, whatever their arguments. Those that the sandbox rests on are refused.',
      },
      {
        key: 'log-syscalls',
        type: 'boolean',
        default: 'no',
        doc: 'yes: calls that the filter refuses go to the kernel’s log, where those that it kills for always go. For finding out what a program lacks: some programs try refused calls all the time.',
      },
      {
        key: 'tmp-size',
        type: 'size',
        min: 1,
        default: DEFAULT_TMP_SIZE,
        doc: 'Size of /tmp, which the daemons of the app share. A `tmpfs` of `.metactl` is no larger either.',
      },
    ],
  },
  {
    name: 'sandbox.net',
    doc: "The app's network.",
    layers: ADMINISTRATORS,
    keys: [
      {
        key: 'mode',
        type: 'enum',
        values: ['routed', 'nat', 'host', 'none'],
        valueLayers: { host: ['node'] },
        doc: '`routed`: an address of its own in the network (default with `[network] pool`); `nat`: one behind the address of this host (default without); `none`: nothing but loopback; `host`: the network of this host, not isolated (node file only).',
      },
      {
        key: 'ip',
        type: 'list',
        read: (text) => readWith(text, (words) => words.every(isIp) && isOneOfEach(words)),
        expected: 'an IPv4 address, an IPv6 address, or one of each',
        doc: "The app's addresses; default: leased from `[network] pool`.",
      },
      {
        key: 'publish',
        type: 'list',
        read: (text) => readWith(text, (words) => parsePublishList(words) !== undefined),
        expected: PUBLISH_EXPECTED,
        expectedInstead: (text) => publishProblem(splitWords(text).words),
        doc: 'Ports of the host that lead to ports of the app: `[HOSTIP:]HOSTPORT:PORT[/udp]`, separated by spaces. On the host itself also by 127.0.0.1, never by `::1`, which `localhost` may stand for first.',
      },
    ],
  },
  {
    name: 'sandbox.mounts',
    doc: 'What the app sees beside the standard file system. The keys are absolute paths inside the sandbox.',
    keyPattern: /^(?:\/(?!\.{1,2}(?:\/|$))[^/]+)+$/,
    keyExpected: 'an absolute path, without . and .. and a slash at its end',
    keys: [
      {
        key: '*',
        type: 'text',
        read: (text) => (parseMount(text) === undefined ? undefined : text),
        expected: MOUNT_EXPECTED,
        doc: '`ro` or `rw`: the path of the host; `hide`: nothing, also in place of a file; `tmpfs[:SIZE]`: an empty directory that can be written, over one; `[ro:|rw:]from:/other`: another path of the host. From `.metactl` only `hide` and `tmpfs`, and only in the app’s own directories, at most 64.',
      },
    ],
  },
  {
    name: 'firewall.out',
    doc: 'Connections that the app opens: to other servers, this host and other apps on it.',
    keys: [
      {
        key: 'policy',
        type: 'enum',
        values: ['accept', 'reject', 'drop'],
        default: 'accept',
        doc: 'What happens to those that no entry of `[firewall.out.accept]` allows: `reject` fails them at once, `drop` lets them time out. Always allowed: loopback, answers to those who connected to the app, DNS (port 53) of the resolvers in its resolv.conf.',
      },
      {
        key: 'resolve-interval',
        type: 'duration',
        default: '60s',
        min: 1000,
        max: LONGEST_TIMER,
        onlyLess: 'at-least-default',
        doc: 'How often the names in `[firewall.out.accept]` are resolved again; `metactl reload` and SIGHUP to the supervisor do it at once.',
      },
    ],
  },
  {
    name: 'firewall.out.accept',
    doc: 'Where the app may connect to: a label, and where; 64 at most. Without effect under the policy `accept`. Where the site or node file sets the policy, nothing here may come from `.metactl`, by interpolation neither.',
    keys: [
      {
        key: '*',
        type: 'text',
        read: (text) => (parseEndpoint(text) === undefined ? undefined : text),
        expected: ENDPOINT_EXPECTED,
        doc: '`HOST:PORT`, `HOST:FIRST-LAST`, an address or a network such as `10.0.0.0/8`, also with ports; `/tcp` (default with ports), `/udp` or `/icmp` at its end. `/icmp` lets echo requests pass: `ping` works inside by the sockets that the kernel has for it, without NET_RAW. IPv6 in brackets: `[2001:db8::/32]:443`. A name stands for all its addresses, v4 and v6; one that does not resolve allows nothing until it does.',
      },
    ],
  },
];

function readWith(text: string, isValid: (words: readonly string[]) => boolean): readonly string[] | undefined {
  const words = readValue({ key: '', type: 'list', doc: '' }, text) as readonly string[] | undefined;
  return words !== undefined && isValid(words) ? words : undefined;
}

function isIp(text: string): boolean {
  return isIpv4(text) || parseIpv6(text) !== undefined;
}

function isOneOfEach(words: readonly string[]): boolean {
  const sixes = words.filter((word) => word.includes(':')).length;
  return sixes <= 1 && words.length - sixes <= 1 && words.length > 0;
}

/** Four numbers of 0 to 255 without leading zeros. */
export function isIpv4(text: string): boolean {
  return (
    /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) && text.split('.').every((n) => String(Number(n)) === n && Number(n) <= 255)
  );
}
