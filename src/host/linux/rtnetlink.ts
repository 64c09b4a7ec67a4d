import { EXIT, MetactlError } from '../../util/error.ts';
import { formatAddress } from '../../util/ip.ts';
import { formatIpv6, parseIpv6 } from '../../util/ipv6.ts';

/**
 * Dumps of links, routes and proxy neighbours, and their removal, by npm `netlink`. For `gc` only: loading it takes 30 ms,
 * and a launch asks for single objects (network-native.ts).
 */
export interface RtNetlink {
  listLinks(): Promise<LinkEntry[]>;
  /** Routes of the main table to single addresses. */
  listHostRoutes(): Promise<AddressEntry[]>;
  listProxyNeighbours(): Promise<AddressEntry[]>;
  deleteProxyNeighbour(entry: AddressEntry): Promise<void>;
  /** Its routes go with it. */
  deleteLink(index: number): Promise<void>;
}

export interface LinkEntry {
  readonly index: number;
  readonly name: string;
  readonly alias: string;
}

export interface AddressEntry {
  readonly address: string;
  /** Index of the link. */
  readonly link: number;
}

const AF_INET = 2;
const AF_INET6 = 10;
const FAMILIES = [AF_INET, AF_INET6];
const HOST_PREFIX = { [AF_INET]: 32, [AF_INET6]: 128 } as const;
/** linux/rtnetlink.h */
const RT_TABLE_MAIN = 254;
/** Header of a link that a dump asks for. */
const ANY = {};

/** Runs `work` with a socket that is closed after it. @throws MetactlError with the kernel's errno name as its code. */
export async function withRtNetlink<T>(work: (netlink: RtNetlink) => Promise<T>): Promise<T> {
  const { createRtNetlink } = await loadNetlink();
  const socket = createRtNetlink();
  try {
    // One after the other: two dumps at once on a socket fail (EBUSY).
    return await work({
      async listLinks() {
        const links = await told('list links', () => socket.getLinks(ANY));
        return links.map(({ data, attrs }) => ({
          index: data.index ?? 0,
          name: attrs.ifname ?? '',
          alias: attrs.ifalias ?? '',
        }));
      },
      async listHostRoutes() {
        const found: AddressEntry[] = [];
        for (const family of FAMILIES) {
          const routes = await told('list routes', () => socket.getRoutes({ family }), 'EAFNOSUPPORT');
          const prefix = HOST_PREFIX[family as keyof typeof HOST_PREFIX];
          for (const { data, attrs } of routes) {
            if (data.dstLen === prefix && data.table === RT_TABLE_MAIN) found.push(...entryOf(attrs.dst, attrs.oif));
          }
        }
        return found;
      },
      async listProxyNeighbours() {
        const found: AddressEntry[] = [];
        for (const family of FAMILIES) {
          const filter = { family, flags: { proxy: true } } as const;
          const entries = await told('list proxy neighbours', () => socket.getNeighbors(filter), 'EAFNOSUPPORT');
          for (const { data, attrs } of entries) if (data.flags?.proxy) found.push(...entryOf(attrs.dst, data.ifindex));
        }
        return found;
      },
      async deleteProxyNeighbour({ address, link }) {
        const six = parseIpv6(address);
        const header = {
          family: six === undefined ? AF_INET : AF_INET6,
          ifindex: link,
          flags: { proxy: true },
        } as const;
        const dst =
          six === undefined
            ? Buffer.from(address.split('.').map(Number))
            : Buffer.from(six.toString(16).padStart(32, '0'), 'hex');
        await told('delete proxy neighbour', () => socket.delNeighbor(header, { dst }), 'ENOENT');
      },
      async deleteLink(index) {
        await told('delete link', () => socket.delLink({ index }), 'ENODEV');
      },
    });
  } finally {
    socket.socket.close();
  }
}

function entryOf(address: Buffer | undefined, link: number | undefined): AddressEntry[] {
  if (address === undefined || link === undefined) return [];
  if (address.length === 4) return [{ address: formatAddress(address.readUInt32BE()), link }];
  return address.length === 16 ? [{ address: formatIpv6(BigInt(`0x${address.toString('hex')}`)), link }] : [];
}

/** @throws MetactlError METACTL_NO_NETLINK where the package is not installed, or not all of it. */
export async function loadNetlink(): Promise<typeof import('netlink')> {
  try {
    return await import('netlink');
  } catch (error) {
    throw noNetlink(error);
  }
}

/** What Node's refusal to load it means. Pure. */
export function noNetlink(error: unknown): MetactlError {
  const [text = ''] = String((error as Error).message).split('\n');
  const missing = /^Cannot find (?:module|package) '([^']+)'/.exec(text)?.[1];
  const message =
    missing === 'netlink'
      ? "the npm package `netlink` isn't there"
      : missing === undefined
        ? `the npm package \`netlink\` can't be loaded: ${text}`
        : `the npm package \`netlink\` can't be loaded: it needs \`${missing}\`, which isn't there`;
  return new MetactlError(message, {
    code: 'METACTL_NO_NETLINK',
    step: 'load netlink',
    cause: error,
    hint: 'it is an optional dependency: run `npm install` without --omit=optional',
    exitStatus: EXIT.error,
  });
}

/** npm netlink's errors carry the errno's name only in their text: `Request rejected: EPERM`. */
async function told<T>(step: string, ask: () => Promise<T[]>, harmless?: string): Promise<T[]> {
  try {
    return await ask();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = /\b(E[A-Z0-9]+)$/.exec(message)?.[1] ?? 'EPROTO';
    if (code === harmless) return [];
    throw new MetactlError(`can't ${step}: ${code}`, {
      code,
      step,
      syscall: 'netlink',
      cause: error,
      hint: code === 'EPERM' ? 'run it as root' : 'look at the kernel log',
    });
  }
}
