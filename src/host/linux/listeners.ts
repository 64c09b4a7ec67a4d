import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { escapeText } from '../../util/escape.ts';
import { formatAddress } from '../../util/ip.ts';
import { formatIpv6, unmapIpv6 } from '../../util/ipv6.ts';
import type { PublishedPort } from '../../util/publish.ts';

/** A socket of the host that waits for connections or datagrams. */
export interface Listener {
  /** Undefined: all addresses. IPv6 in its canonical form, IPv4 in IPv6 (as a JVM binds it) as IPv4. */
  readonly address: string | undefined;
  readonly port: number;
  readonly inode: string;
}

/** States of /proc/net/tcp and udp: listening, and a datagram socket without a peer (include/net/tcp_states.h). */
const LISTENING = { tcp: '0A', udp: '07' } as const;

/** Parses /proc/net/tcp, udp and their IPv6 twins; words of addresses are in host byte order. Pure. */
export function parseListeners(text: string, protocol: 'tcp' | 'udp'): Listener[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10 && fields[3] === LISTENING[protocol])
    .map((fields) => {
      const [address = '', port = ''] = fields[1]!.split(':');
      return { address: readAddress(address), port: Number.parseInt(port, 16), inode: fields[9]! };
    });
}

function readAddress(hex: string): string | undefined {
  const words = hex.match(/.{8}/g) ?? [];
  const number = BigInt(`0x${words.map((word) => word.match(/../g)!.reverse().join('')).join('')}`);
  if (number === 0n) return undefined;
  const ipv4 = words.length === 1 ? Number(number) : unmapIpv6(number);
  if (ipv4 === 0) return undefined;
  return ipv4 === undefined ? formatIpv6(number) : formatAddress(ipv4);
}

/**
 * The program of the host that has a port which is to be published, as text: `nginx (pid 812)`. What listens on another
 * address than the published one doesn't matter. @returns undefined where nobody has it.
 */
export function findListener({ protocol, host, hostPort }: PublishedPort): string | undefined {
  const found = ['', '6']
    .flatMap((family) => parseListeners(readIfThere(`/proc/net/${protocol}${family}`), protocol))
    .find(
      ({ address, port }) => port === hostPort && (host === undefined || address === undefined || address === host),
    );
  return found === undefined ? undefined : ownerOf(found.inode);
}

/** Descriptors that are looked at: an app may have millions, and the supervisor of all stands still meanwhile. Each takes 10 µs. */
const MOST_DESCRIPTORS = 32_768;
/** Of one process. */
const MOST_OF_PROCESS = 1024;

/** Looked for only once there is something to complain about: it reads the descriptors of every process. */
function ownerOf(inode: string): string {
  let left = MOST_DESCRIPTORS;
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    const descriptors = list(`/proc/${pid}/fd`).slice(0, Math.min(left, MOST_OF_PROCESS));
    left -= descriptors.length;
    const holds = descriptors.some((fd) => link(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
    if (holds) return `${escapeText(readIfThere(`/proc/${pid}/comm`).trim())} (pid ${pid})`;
    if (left <= 0) break;
  }
  return 'a program of the host';
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
