import { close, readFileSync, readSync } from 'node:fs';
import { formatAddress } from '../../util/ip.ts';
import { addon } from './addon.ts';
import { networkAddon } from './network-native.ts';
import type { Uplink } from './uplink.ts';

/** Who an ARP packet says has which address. */
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
  const hardware = [...bytes.subarray(8, 14)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return { hardware, address: formatAddress(sender) };
}

/**
 * Listens on the uplink for another machine that claims an app's address, and tells of each such machine once. It does
 * not keep the process alive. @returns a function that ends it.
 */
export function watchConflicts(uplink: Uplink, address: string, onConflict: (hardware: string) => void): () => void {
  const own = readFileSync(`/sys/class/net/${uplink.name}/address`, 'utf8').trim();
  const fd = networkAddon().listenArp(uplink.index);
  const known = new Set([own]);
  const packet = Buffer.alloc(ARP_SIZE * 4);
  const poll = addon().poll(fd, () => {
    const claim = parseArp(packet.subarray(0, readPacket(fd, packet)));
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
