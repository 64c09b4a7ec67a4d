import { closeSync, constants, opendirSync, openSync } from 'node:fs';
import type { Paths } from '../../util/paths.ts';
import { lockFile } from './flock.ts';
import { tableName } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { type Claim, loadBaseTable, readOtherClaims, removeBaseTable } from './nft.ts';
import { forgetMade, type MadeOf, madeOf, readMade, recordMade } from './record.ts';
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
  recordMade(paths, undefined, { kind: 'nft', table });
  if (uplink !== undefined) recordUplink(paths, uplink);
  const claims = claimsOf(paths);
  // The rules first: an uplink never forwards without them.
  loadBaseTable(table, claims);
  for (const { key, value } of madeOf(paths, undefined, 'sysctl')) {
    if (readSysctl(key) !== value) writeSysctl(key, value);
  }
}

/** Records the uplink's sysctls as they were before any root's metactl changed them. */
function recordUplink(paths: Paths, uplink: Uplink): void {
  const { name, configured } = uplink;
  if (madeOf(paths, undefined, 'uplink').some((one) => one.name === name)) return;
  const claim = readOtherClaims(tableName(paths)).find((one) => one.uplink === name);
  const forwarding = claim?.forwarding ?? readSysctl(forwardingOf(name)) ?? '0';
  const proxyDelay = claim?.proxyDelay ?? readSysctl(proxyDelayOf(name)) ?? '0';
  recordMade(
    paths,
    undefined,
    { kind: 'sysctl', key: forwardingOf(name), old: forwarding, value: '1' },
    { kind: 'sysctl', key: proxyDelayOf(name), old: proxyDelay, value: '0' },
    { kind: 'uplink', name, configured },
  );
}

/** Pure but for reading the record. */
function claimsOf(paths: Paths): Claim[] {
  const sysctls = madeOf(paths, undefined, 'sysctl');
  const old = (key: string) => sysctls.find((one) => one.key === key)?.old ?? '0';
  return madeOf(paths, undefined, 'uplink').map(({ name }) => ({
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
    unload(paths);
    return true;
  });
}

function unload(paths: Paths): void {
  const table = tableName(paths);
  const claimed = new Set(readOtherClaims(table).map((claim) => claim.uplink));
  const shared = new Set([...claimed].flatMap((name) => [forwardingOf(name), proxyDelayOf(name)]));
  for (const sysctl of madeOf(paths, undefined, 'sysctl')) {
    // The last root that uses an uplink puts it back.
    if (!shared.has(sysctl.key)) putBack(sysctl);
  }
  removeBaseTable(table);
  forgetMade(paths, undefined, ...readMade(paths, undefined));
}

/** Only what is still as metactl set it: an administrator's later change stays. A device that is gone has nothing. */
function putBack({ key, old, value }: MadeOf<'sysctl'>): void {
  if (old !== value && readSysctl(key) === value) writeSysctl(key, old);
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
