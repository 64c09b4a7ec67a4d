import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** RFC 863's port: an empty datagram to it means nothing to anybody. */
const DISCARD = 9;
/** A machine on the same network answers within milliseconds; RFC 5227 waits up to two seconds for those that don't. */
const PATIENCE = 400;
const PAUSE = 20;
/** ATF_COM of /proc/net/arp: the entry has a hardware address. */
const COMPLETE = 0x2;

/** Whether /proc/net/arp has a complete entry for an address. Pure. */
export function isResolved(table: string, address: string): boolean {
  return table
    .split('\n')
    .map((line) => line.split(/\s+/))
    .some(([ip, , flags = '0']) => ip === address && (Number.parseInt(flags, 16) & COMPLETE) !== 0);
}

/**
 * Whether another machine on a network of this host has the address. The kernel asks by ARP when it has a datagram for
 * it: no raw socket is needed, and the question carries the host's own address, so no cache is poisoned. Where the address
 * is not on a link of this host nobody is asked and the answer is no.
 */
export async function answersArp(address: string): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    const sent = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      socket.send(Buffer.alloc(0), DISCARD, address, (error) => resolve(error === null));
    });
    const end = performance.now() + (sent ? PATIENCE : 0);
    do {
      if (isResolved(readFileSync('/proc/net/arp', 'utf8'), address)) return true;
      await sleep(PAUSE);
    } while (performance.now() < end);
    return false;
  } finally {
    socket.close();
  }
}
