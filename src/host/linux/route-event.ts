import { formatAddress } from '../../util/ip.ts';
import { formatIpv6 } from '../../util/ipv6.ts';

/** A route to one address that somebody removed. */
export interface RemovedRoute {
  readonly address: string;
  /** Port of the netlink socket it was asked by, by custom the process's pid; 0: the kernel itself. */
  readonly port: number;
}

/** What messages of a route watch tell. */
export interface RouteEvents {
  readonly removed: readonly RemovedRoute[];
  /** Names of links that came, changed or went. */
  readonly links: readonly string[];
  /** A default route came or went. */
  readonly defaultRoute: boolean;
}

/** Lengths of nlmsghdr, rtmsg and ifinfomsg; numbers of linux/rtnetlink.h and linux/if_link.h. */
const HEADER = 16;
const RTMSG = 12;
const IFINFOMSG = 16;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTA_DST = 1;
const IFLA_IFNAME = 3;
const AF_INET = 2;
const AF_INET6 = 10;

/** Reads the messages of a route watch; what is torn is left out. Pure. */
export function readRouteEvents(messages: Uint8Array): RouteEvents {
  const bytes = Buffer.from(messages.buffer, messages.byteOffset, messages.byteLength);
  const removed: RemovedRoute[] = [];
  const links: string[] = [];
  let defaultRoute = false;
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER || at + length > bytes.length) break;
    const type = bytes.readUInt16LE(at + 4);
    const message = bytes.subarray(at + HEADER, at + length);
    if (type === RTM_NEWLINK || type === RTM_DELLINK) links.push(...nameIn(message));
    if ((type === RTM_NEWROUTE || type === RTM_DELROUTE) && message.length >= RTMSG && message[1] === 0) {
      defaultRoute = true;
    } else if (type === RTM_DELROUTE) {
      const address = destinationOf(message);
      if (address !== undefined) removed.push({ address, port: bytes.readUInt32LE(at + 12) });
    }
    at += length + (-length & 3);
  }
  return { removed, links, defaultRoute };
}

function nameIn(link: Buffer): string[] {
  const name = attributeOf(link, IFINFOMSG, IFLA_IFNAME);
  return name === undefined ? [] : [name.toString('latin1').replace(/\0.*$/s, '')];
}

function destinationOf(route: Buffer): string | undefined {
  if (route.length < RTMSG) return undefined;
  const size = { [AF_INET]: 4, [AF_INET6]: 16 }[route[0]!];
  if (size === undefined || route[1] !== size * 8) return undefined;
  const value = attributeOf(route, RTMSG, RTA_DST);
  if (value?.length !== size) return undefined;
  return size === 4 ? formatAddress(value.readUInt32BE()) : formatIpv6(BigInt(`0x${value.toString('hex')}`));
}

/** The value of the first attribute of a type, behind a header of so many bytes. */
function attributeOf(message: Buffer, header: number, type: number): Buffer | undefined {
  for (let at = header; at + 4 <= message.length; ) {
    const length = message.readUInt16LE(at);
    if (length < 4 || at + length > message.length) return undefined;
    if (message.readUInt16LE(at + 2) === type) return message.subarray(at + 4, at + length);
    at += length + (-length & 3);
  }
  return undefined;
}
