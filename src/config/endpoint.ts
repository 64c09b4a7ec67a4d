import { formatAddress, parseAddress } from '../util/ip.ts';
import { formatIpv6, parseIpv6 } from '../util/ipv6.ts';

/** A value of `[firewall.out.accept]`, read: where connections may go. */
export interface Endpoint {
  /** A host name to be resolved, or an address or network in its canonical form. */
  readonly host:
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'network'; readonly network: string };
  /** First and last; absent: all. */
  readonly ports?: readonly [number, number];
  /** Absent: all protocols, of which only some have ports. */
  readonly protocol?: 'tcp' | 'udp' | 'icmp';
}

export const ENDPOINT_EXPECTED = 'HOST:PORT[-PORT][/tcp|/udp], NETWORK[:PORT[-PORT]][/tcp|/udp|/icmp] or HOST/icmp';

const FORM = /^(\[[^\]]*\]|[^[\]]+?)(?::(\d{1,5})(?:-(\d{1,5}))?)?(?:\/(tcp|udp|icmp))?$/;
const NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/;
const HIGHEST_PORT = 65_535;

/**
 * Reads `HOST:PORTS`, `ADDRESS`, `NETWORK`, each with `/tcp`, `/udp` or `/icmp` at its end. PORTS is `N` or `N-M`. An IPv6
 * address stands in brackets, and so does a network that ports or a protocol follow: `[2001:db8::/32]:443/tcp`. Ports without a
 * protocol are TCP's. A name needs ports, or `/icmp`. Pure. @returns undefined for anything else.
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const bare = parseNetwork(text);
  if (bare !== undefined) return { host: { kind: 'network', network: bare } };
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, where = '', first, last = first, named] = match;
  const host = parseHost(where);
  if (host === undefined) return undefined;
  const protocol = named as Endpoint['protocol'];
  if (first === undefined) {
    if (protocol === undefined && !where.startsWith('[')) return undefined;
    if (host.kind === 'name' && protocol !== 'icmp') return undefined;
    return { host, ...(protocol === undefined ? {} : { protocol }) };
  }
  const ports = [Number(first), Number(last)] as const;
  if (protocol === 'icmp' || ports[0] < 1 || ports[1] > HIGHEST_PORT || ports[0] > ports[1]) return undefined;
  return { host, ports, protocol: protocol ?? 'tcp' };
}

function parseHost(where: string): Endpoint['host'] | undefined {
  if (where.startsWith('[')) {
    const network = parseNetwork6(where.slice(1, -1));
    return network === undefined ? undefined : { kind: 'network', network };
  }
  const network = parseNetwork4(where);
  if (network !== undefined) return { kind: 'network', network };
  // A last part of digits makes it a mistaken address, as browsers have it.
  return NAME.test(where) && !/(?:^|\.)\d+$/.test(where) ? { kind: 'name', name: where.toLowerCase() } : undefined;
}

/** Without brackets an IPv6 address must have its bits: `2001:db8::1:443` may be meant to end in a port. */
function parseNetwork(text: string): string | undefined {
  return parseNetwork4(text) ?? (text.includes('/') ? parseNetwork6(text) : undefined);
}

/** An address, or a network with all host bits zero. */
function parseNetwork4(text: string): string | undefined {
  const [address, bits] = split(text, 32);
  const number = parseAddress(address);
  if (number === undefined || bits === undefined || number % 2 ** (32 - bits) !== 0) return undefined;
  return bits === 32 ? formatAddress(number) : `${formatAddress(number)}/${bits}`;
}

function parseNetwork6(text: string): string | undefined {
  const [address, bits] = split(text, 128);
  const number = parseIpv6(address);
  if (number === undefined || bits === undefined || number % (1n << BigInt(128 - bits)) !== 0n) return undefined;
  return bits === 128 ? formatIpv6(number) : `${formatIpv6(number)}/${bits}`;
}

function split(text: string, all: number): [string, number | undefined] {
  const at = text.indexOf('/');
  if (at < 0) return [text, all];
  const bits = text.slice(at + 1);
  return [text.slice(0, at), /^\d{1,3}$/.test(bits) && Number(bits) <= all ? Number(bits) : undefined];
}
