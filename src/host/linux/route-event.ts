import { formatAddress } from '../../util/ip.ts';
import { formatIpv6 } from '../../util/ipv6.ts';

/** A route to one address that somebody removed. */
export interface RemovedRoute {
  readonly address: string;
  /** Port of the netlink socket it was asked by, by custom the process's pid; 0: the kernel itself. */
  readonly port: number;
}

/** Lengths of nlmsghdr and rtmsg; numbers of linux/rtnetlink.h. */
const HEADER = 16;
const RTMSG = 12;
const RTM_DELROUTE = 25;
const RTA_DST = 1;
const AF_INET = 2;
const AF_INET6 = 10;

/** The removals of host routes among the messages of a route watch. Pure. */
export function removedRoutes(messages: Uint8Array): RemovedRoute[] {
  const bytes = Buffer.from(messages.buffer, messages.byteOffset, messages.byteLength);
  const found: RemovedRoute[] = [];
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER || at + length > bytes.length) break;
    if (bytes.readUInt16LE(at + 4) === RTM_DELROUTE) {
      const address = destinationOf(bytes.subarray(at + HEADER, at + length));
      if (address !== undefined) found.push({ address, port: bytes.readUInt32LE(at + 12) });
    }
    at += length + (-length & 3);
  }
  return found;
}

function destinationOf(route: Buffer): string | undefined {
  if (route.length < RTMSG) return undefined;
  const size = { [AF_INET]: 4, [AF_INET6]: 16 }[route[0]!];
  if (size === undefined || route[1] !== size * 8) return undefined;
  for (let at = RTMSG; at + 4 <= route.length; ) {
    const length = route.readUInt16LE(at);
    if (length < 4 || at + length > route.length) return undefined;
    if (route.readUInt16LE(at + 2) === RTA_DST && length === 4 + size) {
      const value = route.subarray(at + 4, at + length);
      return size === 4 ? formatAddress(value.readUInt32BE()) : formatIpv6(BigInt(`0x${value.toString('hex')}`));
    }
    at += length + (-length & 3);
  }
  return undefined;
}
