import { parseAddress } from './ip.ts';
import { formatIpv6, parseIpv6, unmapIpv6 } from './ipv6.ts';

/** A port of the host that leads to a port of the app. */
export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp';
  /** Address of the host's; undefined: all of them. IPv6 in its canonical form. */
  readonly host?: string;
  readonly hostPort: number;
  readonly port: number;
}

export const PUBLISH_EXPECTED =
  'words such as 8080:80, 192.0.2.1:8080:80, [2001:db8::1]:8080:80 or 53:53/udp, no host port twice';

/** `[HOSTIP:]HOSTPORT:PORT[/tcp|/udp]`. Pure. @returns undefined for anything else. */
export function parsePublish(word: string): PublishedPort | undefined {
  const match = SHAPE.exec(word);
  if (match === null) return undefined;
  const [, address, hostPort, port, protocol = 'tcp'] = match;
  const host = address === undefined ? undefined : hostAddress(address);
  const ports = [Number(hostPort), Number(port)] as const;
  if ((address !== undefined && host === undefined) || !ports.every(isPort)) return undefined;
  return {
    protocol: protocol as 'tcp' | 'udp',
    ...(host === undefined ? {} : { host }),
    hostPort: ports[0],
    port: ports[1],
  };
}

/** All words of the key. Pure. @returns undefined where one is not valid, or two of them want the same port. */
export function parsePublishList(words: readonly string[]): readonly PublishedPort[] | undefined {
  const ports: PublishedPort[] = [];
  for (const word of words) {
    const port = parsePublish(word);
    if (port === undefined || ports.some((other) => clash(port, other))) return undefined;
    ports.push(port);
  }
  return ports;
}

const SHAPE = /^(?:(\d[\d.]*|\[[0-9a-fA-F:.]+\]):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/;
/** What somebody who writes a range or another protocol meant. */
const RANGE = /^(?:.*:)?\d+-\d+:\d+(?:-\d+)?(?:\/\w+)?$/;
const OTHER_PROTOCOL = /^(?:.*:)?\d+:\d+\/(?!(?:tcp|udp)$)(.*)$/;

/** What is wrong with a list, as the end of `expected …`. Pure. @returns undefined where nothing is, or `PUBLISH_EXPECTED` says it best. */
export function publishProblem(words: readonly string[]): string | undefined {
  const ports: PublishedPort[] = [];
  for (const word of words) {
    const port = parsePublish(word);
    if (port === undefined) return wordProblem(word);
    const other = ports.find((one) => clash(port, one));
    if (other !== undefined) {
      return `each host port once, but ${quote(formatPublish(other))} and ${quote(word)} want the same one`;
    }
    ports.push(port);
  }
  return undefined;
}

function wordProblem(word: string): string | undefined {
  if (RANGE.test(word)) return `a word for each port: ${quote(word)} is a range`;
  if (OTHER_PROTOCOL.test(word)) return `/tcp or /udp: ${quote(word)} is of another protocol`;
  const [, address, ...ports] = SHAPE.exec(word) ?? [];
  if (ports.length === 0) return undefined;
  if (address !== undefined && hostAddress(address) === undefined) return addressProblem(address, word);
  return `ports from 1 to 65535: ${quote(word)} has another one`;
}

function addressProblem(address: string, word: string): string {
  const number = address.startsWith('[') ? parseIpv6(address.slice(1, -1)) : parseAddress(address);
  if (number === undefined) return `an address of this host: ${quote(word)} begins with none`;
  if (Number(number) === 0)
    return `no address where ${quote(word)} means all of them: ${quote(word.slice(address.length + 1))}`;
  if (number === LOOPBACK6)
    return `another address than [::1]: the kernel leads nothing from there to an app; 127.0.0.1 works`;
  return `the IPv4 address itself where ${quote(word)} has it in an IPv6 one`;
}

function quote(word: string): string {
  return `\u0060${word}\u0060`;
}

/** Whether both want the same port of the same address of the host. Pure. */
export function clash(a: PublishedPort, b: PublishedPort): boolean {
  if (a.protocol !== b.protocol || a.hostPort !== b.hostPort) return false;
  return a.host === undefined || b.host === undefined || a.host === b.host;
}

/** As it would be written in a file. Pure. */
export function formatPublish({ protocol, host, hostPort, port }: PublishedPort): string {
  const address = host === undefined ? '' : host.includes(':') ? `[${host}]:` : `${host}:`;
  return `${address}${hostPort}:${port}${protocol === 'udp' ? '/udp' : ''}`;
}

const LOOPBACK6 = 1n;

/**
 * The unspecified addresses mean "all", which is said by leaving the address out. IPv6 has no `route_localnet`: what is for
 * ::1 never leaves the host. To an IPv4 address in an IPv6 one (::ffff:0:0/96) no packet ever goes.
 */
function hostAddress(text: string): string | undefined {
  if (!text.startsWith('[')) return parseAddress(text) ? text : undefined;
  const number = parseIpv6(text.slice(1, -1));
  return number && number !== LOOPBACK6 && unmapIpv6(number) === undefined ? formatIpv6(number) : undefined;
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}
