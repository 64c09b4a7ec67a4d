import { EXIT, MetactlError } from '../../util/error.ts';
import { formatAddress } from '../../util/ip.ts';

/**
 * Dumps of links, routes and proxy neighbours, and their removal, by npm `netlink`. For `gc` only: loading it takes 30 ms,
 * and a launch asks for single objects (network-native.ts).
 */
export interface RtNetlink {
  listLinks(): Promise<LinkEntry[]>;
  /** Routes of the main table to single IPv4 addresses. */
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
const HOST_PREFIX = 32;
/** linux/rtnetlink.h */
const RT_TABLE_MAIN = 254;
/** Header of a link that a dump asks for. */
const ANY = {};

/** Runs `work` with a socket that is closed after it. @throws MetactlError with the kernel's errno name as its code. */
export async function withRtNetlink<T>(work: (netlink: RtNetlink) => Promise<T>): Promise<T> {
  const { createRtNetlink } = await load();
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
        const routes = await told('list routes', () => socket.getRoutes({ family: AF_INET }));
        return routes.flatMap(({ data, attrs }) =>
          data.dstLen === HOST_PREFIX && data.table === RT_TABLE_MAIN ? entryOf(attrs.dst, attrs.oif) : [],
        );
      },
      async listProxyNeighbours() {
        const filter = { family: AF_INET, flags: { proxy: true } } as const;
        const found = await told('list proxy neighbours', () => socket.getNeighbors(filter));
        return found.flatMap(({ data, attrs }) => (data.flags?.proxy ? entryOf(attrs.dst, data.ifindex) : []));
      },
      async deleteProxyNeighbour({ address, link }) {
        const header = { family: AF_INET, ifindex: link, flags: { proxy: true } } as const;
        const dst = Buffer.from(address.split('.').map(Number));
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
  if (address?.length !== 4 || link === undefined) return [];
  return [{ address: formatAddress(address.readUInt32BE()), link }];
}

async function load(): Promise<typeof import('netlink')> {
  try {
    return await import('netlink');
  } catch (error) {
    throw new MetactlError("the npm package `netlink` isn't there", {
      code: 'METACTL_NO_NETLINK',
      step: 'load netlink',
      cause: error,
      hint: 'it is an optional dependency: run `npm install` without --omit=optional',
      exitStatus: EXIT.error,
    });
  }
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
