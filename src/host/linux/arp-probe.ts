import { setTimeout as sleep } from 'node:timers/promises';
import { watchConflicts } from './conflict-watch.ts';
import { networkAddon } from './network-native.ts';
import type { Uplink } from './uplink.ts';

/** As many as RFC 5227 asks for; a machine on the same network answers within milliseconds, so not seconds apart. */
const PROBES = 3;
const INTERVAL = 100;
const PAUSE = 10;

/**
 * Asks by probes whether another machine on the uplink's network has the address, in 0.3 s: by ARP (RFC 5227) or neighbour
 * solicitation (RFC 4862). A probe teaches nobody's cache anything. @returns the machine's hardware address; undefined where nobody answers.
 */
export async function whoHas(uplink: Uplink, address: string): Promise<string | undefined> {
  let owner: string | undefined;
  const stop = watchConflicts(uplink, address, (hardware) => {
    owner ??= hardware;
  });
  try {
    for (let asked = 0; asked < PROBES; asked++) {
      if (!ask(uplink, address)) return undefined;
      const end = performance.now() + INTERVAL;
      while (owner === undefined && performance.now() < end) await sleep(PAUSE);
      if (owner !== undefined) return owner;
    }
    return undefined;
  } finally {
    stop();
  }
}

/** @returns false where the uplink is down: there is nobody to ask. */
function ask(uplink: Uplink, address: string): boolean {
  try {
    networkAddon().probe(uplink.index, address);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENETDOWN') return false;
    throw error;
  }
}
