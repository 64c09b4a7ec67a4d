import { isLoopbackAddress } from '../util/loopback.ts';

/** A user or group that the sandbox's own passwd and group files name. */
export interface NamedId {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface EtcInput {
  readonly app: string;
  /** Of each family at most one. */
  readonly addresses: readonly string[];
  /** The users of the app's daemons. */
  readonly users: readonly NamedId[];
  readonly home: string;
  /** The host's `/etc/resolv.conf`, and systemd-resolved's list of real upstreams where there is one. */
  readonly resolvConf: string;
  readonly upstreamResolvConf: string;
}

/** The generated files of `/etc`, by path. Pure. Java's `user.name` and `getLocalHost()` depend on the first four. */
export function etcFiles(input: EtcInput): Readonly<Record<string, string>> {
  return {
    '/etc/passwd': passwd(input),
    '/etc/group': group(input),
    '/etc/hosts': hosts(input),
    '/etc/hostname': `${input.app}\n`,
    '/etc/resolv.conf': resolvConf(input),
    '/etc/nsswitch.conf': nsswitchConf(),
  };
}

function passwd({ users, home }: EtcInput): string {
  const lines = ['root:x:0:0:root:/root:/bin/sh'];
  for (const { name, uid, gid } of users) {
    if (uid !== 0 && uid !== NOBODY) lines.push(`${name}:x:${uid}:${gid}::${home}:/bin/sh`);
  }
  lines.push(`nobody:x:${NOBODY}:${NOBODY}:nobody:/nonexistent:/usr/sbin/nologin`);
  return `${[...new Set(lines)].join('\n')}\n`;
}

/** The kernel's overflow id, and Debian's and Red Hat's `nobody`. */
const NOBODY = 65534;
/** devpts is mounted with gid=5, as every distribution does. */
export const TTY_GROUP = 5;

function group({ users }: EtcInput): string {
  const lines = ['root:x:0:', `tty:x:${TTY_GROUP}:`];
  for (const { name, gid } of users) if (gid !== 0 && gid !== NOBODY) lines.push(`${name}:x:${gid}:`);
  lines.push(`nogroup:x:${NOBODY}:`);
  return `${[...new Set(lines)].join('\n')}\n`;
}

function hosts({ app, addresses }: EtcInput): string {
  const lines = ['127.0.0.1 localhost', '::1 localhost ip6-localhost ip6-loopback'];
  // The app's name is its addresses, so that getLocalHost() gives one that others can reach.
  lines.push(...(addresses.length > 0 ? addresses : ['127.0.0.1']).map((address) => `${address} ${app}`));
  return `${lines.join('\n')}\n`;
}

/**
 * The host's resolver, unless it listens on a loopback address: that is another loopback inside (the first complaint of
 * firejail's users). Then the real upstreams that systemd-resolved knows, else none and a line that says why.
 */
function resolvConf({ resolvConf: host, upstreamResolvConf }: EtcInput): string {
  const keep = (text: string) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => /^(nameserver|search|domain|options|sortlist)\s/.test(line))
      .filter((line) => !/^nameserver\s/.test(line) || !isLoopbackAddress(line.split(/\s+/)[1] ?? ''));
  const lines = keep(host);
  if (!lines.some((line) => line.startsWith('nameserver'))) {
    const upstream = keep(upstreamResolvConf).filter((line) => line.startsWith('nameserver'));
    if (upstream.length === 0) lines.unshift('# metactl: the host names no resolver that can be reached from here');
    lines.push(...upstream);
  }
  return `${lines.join('\n')}\n`;
}

/** Only modules that need no socket of the host: /run is not there inside. */
function nsswitchConf(): string {
  const databases = { passwd: 'files', group: 'files', shadow: 'files', hosts: 'files dns', networks: 'files' };
  const files = ['protocols', 'services', 'ethers', 'rpc'].map((name) => `${name}: files`);
  return `${[...Object.entries(databases).map(([name, how]) => `${name}: ${how}`), ...files].join('\n')}\n`;
}
