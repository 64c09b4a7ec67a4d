import { close, readFileSync, readSync } from 'node:fs';
import { formatAddress } from '../../util/ip.ts';
import { formatIpv6 } from '../../util/ipv6.ts';
import { addon } from './addon.ts';
import { networkAddon } from './network-native.ts';
import type { Uplink } from './uplink.ts';

/** Who a packet says has which address. */
export interface ArpClaim {
  /** `02:fc:00:00:00:01` */
  readonly hardware: string;
  readonly address: string;
}

/** An ARP packet for IPv4 over Ethernet (RFC 826): 28 bytes, types 1 and 0x0800, sizes 6 and 4. */
const ARP_SIZE = 28;
const HEADER = Buffer.from([0, 1, 8, 0, 6, 4]);

/** Reads the sender of an ARP packet; undefined for anything else, and for probes (which claim nothing, RFC 5227). Pure. */
export function parseArp(packet: Uint8Array): ArpClaim | undefined {
  const bytes = Buffer.from(packet);
  if (bytes.length < ARP_SIZE || !bytes.subarray(0, HEADER.length).equals(HEADER)) return undefined;
  const sender = bytes.readUInt32BE(14);
  if (sender === 0) return undefined;
  return { hardware: hardwareText(bytes.subarray(8, 14)), address: formatAddress(sender) };
}

/** IPv6 header, ICMPv6 neighbour advertisement (RFC 4861, 4.4), then options of 8 bytes each and more. */
const IPV6_HEADER = 40;
const ADVERTISEMENT = 24;
const TARGET_HARDWARE = 2;

/**
 * Reads a neighbour advertisement; who sent it is told by its option with the hardware address, else by the packet's
 * source. Pure. @returns undefined for anything else.
 */
export function parseAdvertisement(packet: Uint8Array): ArpClaim | undefined {
  const bytes = Buffer.from(packet);
  if (bytes.length < IPV6_HEADER + ADVERTISEMENT || bytes[6] !== 58 || bytes[IPV6_HEADER] !== 136) return undefined;
  const address = formatIpv6(numberOf(bytes.subarray(IPV6_HEADER + 8, IPV6_HEADER + ADVERTISEMENT)));
  for (let at = IPV6_HEADER + ADVERTISEMENT; at + 8 <= bytes.length; ) {
    const size = bytes[at + 1]! * 8;
    if (size === 0 || at + size > bytes.length) break;
    if (bytes[at] === TARGET_HARDWARE) return { hardware: hardwareText(bytes.subarray(at + 2, at + 8)), address };
    at += size;
  }
  return { hardware: formatIpv6(numberOf(bytes.subarray(8, 24))), address };
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function hardwareText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Enough for either; what is cut off of a longer packet are options that say nothing here. */
const PACKET_SIZE = 256;

/**
 * Listens on the uplink for another machine that claims an app's address, and tells of each such machine once. It does
 * not keep the process alive. @returns a function that ends it.
 */
export function watchConflicts(uplink: Uplink, address: string, onConflict: (hardware: string) => void): () => void {
  const own = readFileSync(`/sys/class/net/${uplink.name}/address`, 'utf8').trim();
  const parse = address.includes(':') ? parseAdvertisement : parseArp;
  const fd = networkAddon().listenClaims(uplink.index, address);
  const known = new Set([own]);
  const packet = Buffer.alloc(PACKET_SIZE);
  const poll = addon().poll(fd, () => {
    const claim = parse(packet.subarray(0, readPacket(fd, packet)));
    if (claim === undefined || claim.address !== address || known.has(claim.hardware)) return;
    known.add(claim.hardware);
    onConflict(claim.hardware);
  });
  poll.setAlive(false);
  return () => {
    poll.close();
    // Not here: closing a packet socket waits for an RCU grace period, some 20 ms.
    close(fd, () => {});
  };
}

/** @returns 0 where there is nothing to read: the link went down (ENETDOWN) or away. */
function readPacket(fd: number, packet: Buffer): number {
  try {
    return readSync(fd, packet);
  } catch {
    return 0;
  }
}
