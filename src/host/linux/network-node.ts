import { closeSync, constants, opendirSync, openSync } from 'node:fs';
import type { Paths } from '../../util/paths.ts';
import { lockFile } from './flock.ts';
import { tableName } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { type Claim, loadBaseTable, readOtherClaims, removeBaseTable } from './nft.ts';
import { forgetMade, type MadeObject, type MadeOf, madeOf, ofKind, readMade, recordMade } from './record.ts';
import { readSysctl, writeSysctl } from './sysctl.ts';
import type { Uplink } from './uplink.ts';

/**
 * What all networks of a node share: the nft base table and the changed sysctls of uplinks. Made for the first app, taken
 * back with the last. An app records its own network first and looks at this after; the last one to leave looks, under
 * the lock, whether any app has a network recorded. So neither misses the other.
 */

/**
 * Uplinks and nft are the machine's, so every root's metactl must meet in one lock, which nobody but root may hold: this
 * is a file of the kernel's that only root can open and that belongs to the network namespace. It is only locked.
 */
const MACHINE_LOCK = '/proc/sys/net/ipv4/tcp_fastopen_key';

/** From open(2); Node has no name for it. */
const O_PATH = 0o10000000;
let lockPlace: number | undefined;

async function withMachineLock<T>(shared: boolean, work: () => Promise<T>): Promise<T> {
  // Looked up once: below /proc/sys/net that gets slower with every network namespace. Each holder has an open file of
  // its own, or two tasks of this process would share one lock.
  lockPlace ??= openSync(MACHINE_LOCK, O_PATH);
  const fd = openSync(`/proc/self/fd/${lockPlace}`, constants.O_RDONLY);
  try {
    await lockFile(fd, MACHINE_LOCK, { shared });
    return await work();
  } finally {
    closeSync(fd);
  }
}

const forwardingOf = (uplink: string) => `net/ipv4/conf/${uplink}/forwarding`;
const proxyDelayOf = (uplink: string) => `net/ipv4/neigh/${uplink}/proxy_delay`;

/** Makes sure that the base is there, for `uplink` if one is given. The usual case costs two look-ups and no process. */
export async function ensureBase(paths: Paths, uplink: Uplink | undefined): Promise<void> {
  if (await withMachineLock(true, async () => isReady(paths, uplink))) return;
  await withMachineLock(false, async () => load(paths, uplink));
}

function isReady(paths: Paths, uplink: Uplink | undefined): boolean {
  if (!networkAddon().hasNftTable(tableName(paths))) return false;
  const made = readMade(paths, undefined);
  if (uplink === undefined) return made.length > 0;
  return uplink.forwarding && made.some((one) => one.kind === 'uplink' && one.name === uplink.name);
}

function load(paths: Paths, uplink: Uplink | undefined): void {
  const table = tableName(paths);
  const changes = uplink === undefined ? [] : changesOf(table, uplink, readMade(paths, undefined));
  const made = recordMade(paths, undefined, { kind: 'nft', table }, ...changes);
  // The rules first: an uplink never forwards without them.
  loadBaseTable(table, claimsOf(made));
  for (const { key, value } of ofKind(made, 'sysctl')) if (readSysctl(key) !== value) writeSysctl(key, value);
}

/** What to record for a new uplink: its sysctls as they were before any root's metactl changed them. */
function changesOf(table: string, { name, configured }: Uplink, made: readonly MadeObject[]): MadeObject[] {
  if (ofKind(made, 'uplink').some((one) => one.name === name)) return [];
  const claim = readOtherClaims(table).find((one) => one.uplink === name);
  const forwarding = claim?.forwarding ?? readSysctl(forwardingOf(name)) ?? '0';
  const proxyDelay = claim?.proxyDelay ?? readSysctl(proxyDelayOf(name)) ?? '0';
  return [
    { kind: 'sysctl', key: forwardingOf(name), old: forwarding, value: '1' },
    { kind: 'sysctl', key: proxyDelayOf(name), old: proxyDelay, value: '0' },
    { kind: 'uplink', name, configured },
  ];
}

/** Pure. */
function claimsOf(made: readonly MadeObject[]): Claim[] {
  const sysctls = ofKind(made, 'sysctl');
  const old = (key: string) => sysctls.find((one) => one.key === key)?.old ?? '0';
  return ofKind(made, 'uplink').map(({ name }) => ({
    uplink: name,
    forwarding: old(forwardingOf(name)),
    proxyDelay: old(proxyDelayOf(name)),
  }));
}

/** Takes the base back unless an app of this root has a network. @returns whether it was there and is gone. */
export async function releaseBase(paths: Paths): Promise<boolean> {
  if (readMade(paths, undefined).length === 0) return false;
  // A first look without the lock; with hundreds of apps most removals end here.
  if (isBaseUsed(paths)) return false;
  return await withMachineLock(false, async () => {
    const made = readMade(paths, undefined);
    if (made.length === 0 || isBaseUsed(paths)) return false;
    unload(paths, made);
    return true;
  });
}

function unload(paths: Paths, made: readonly MadeObject[]): void {
  const table = tableName(paths);
  const claimed = new Set(readOtherClaims(table).map((claim) => claim.uplink));
  const shared = new Set([...claimed].flatMap((name) => [forwardingOf(name), proxyDelayOf(name)]));
  for (const sysctl of ofKind(made, 'sysctl')) {
    // The last root that uses an uplink puts it back.
    if (!shared.has(sysctl.key)) putBack(sysctl);
  }
  removeBaseTable(table);
  forgetMade(paths, undefined, ...made);
}

function putBack(sysctl: MadeOf<'sysctl'>): void {
  const now = readSysctl(sysctl.key);
  if (isOursToPutBack(sysctl, now, readSysctl('net/ipv4/ip_forward'))) writeSysctl(sysctl.key, sysctl.old);
}

/**
 * Only what is still as metactl set it: an administrator's later change stays, and a device that is gone has nothing.
 * Forwarding that has been switched on for the whole machine meanwhile (Docker does that) is somebody else's by now. Pure.
 */
export function isOursToPutBack(
  { key, old, value }: MadeOf<'sysctl'>,
  now: string | undefined,
  globalForwarding: string | undefined,
): boolean {
  if (old === value || now !== value) return false;
  return !(key.endsWith('/forwarding') && globalForwarding === '1');
}

/** Whether any app of this root but the excepted ones has a network on record. Stops at the first. */
export function isBaseUsed(paths: Paths, except: (app: string) => boolean = () => false): boolean {
  const directory = opendirSync(paths.run);
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      if (entry.isDirectory() && !except(entry.name) && madeOf(paths, entry.name, 'network').length > 0) return true;
    }
    return false;
  } finally {
    directory.closeSync();
  }
}
