import { parseAddress } from './ip.ts';
import { formatIpv6, parseIpv6 } from './ipv6.ts';

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
  const match = /^(?:(\d[\d.]*|\[[0-9a-fA-F:.]+\]):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(word);
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

/** The unspecified addresses mean "all", which is said by leaving the address out. */
function hostAddress(text: string): string | undefined {
  if (!text.startsWith('[')) return parseAddress(text) ? text : undefined;
  const number = parseIpv6(text.slice(1, -1));
  return number ? formatIpv6(number) : undefined;
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}
