import { opendirSync, readdirSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import type { FirewallPlan } from '../../sandbox/plan.ts';
import { formatAddress } from '../../util/ip.ts';
import { formatIpv6 } from '../../util/ipv6.ts';
import type { Paths } from '../../util/paths.ts';
import type { FirewallState, RefusedDestination } from '../firewall-state.ts';
import {
  type FirewallRecord,
  readFirewallRecord,
  removeFirewallRecord,
  writeFirewallRecord,
} from './app-firewall-record.ts';
import {
  acceptPart,
  acceptSets,
  FIXED,
  firewallChain,
  firewallNames,
  firewallPart,
  firewallTable,
  firewallTableName,
  LED_TO,
  REFUSED,
  ruleCount,
  WHOLE,
} from './app-firewall-table.ts';
import { withMachineLock } from './machine-lock.ts';
import { networkAddon } from './network-native.ts';
import { transact } from './nft.ts';
import {
  type Counts,
  countRules,
  elementTexts,
  listTexts,
  readCounter,
  readElements,
  readRuleCounts,
  type SeenElement,
} from './nft-answer.ts';
import {
  askChains,
  askCounter,
  listElements,
  listRules,
  putPart,
  refillSets,
  removePart,
  removeTable,
  replaceTable,
} from './nft-batch.ts';
import { formatValue } from './nft-data.ts';
import { elementLists } from './nft-set.ts';
import type { NftSet, NftTable } from './nft-types.ts';
import { forgetMade, madeOf, recordMade } from './record.ts';

/*
 * The firewalls of a node's apps in the kernel. All changes are made under the machine's lock, so that whoever makes the
 * table anew meets nobody who changes it. Each is one transaction: no packet ever sees half a firewall.
 */

/**
 * Puts an app's firewall in force, or replaces it; the first one of the node makes the table, and a table that somebody
 * damaged is made anew with the firewalls of all running apps. Under the app's lock, before anything of the app runs.
 * @throws MetactlError METACTL_NO_NFT, METACTL_NFT, METACTL_FIREWALL_TOO_LARGE
 */
export async function ensureFirewall(paths: Paths, app: string, link: string, plan: FirewallPlan): Promise<void> {
  const table = firewallTableName(paths);
  const part = firewallPart(table, app, link, plan);
  recordMade(paths, app, { kind: 'firewall', table, chain: firewallChain(app) });
  const now = Date.now();
  const record: FirewallRecord = { link, plan, since: recordOf(paths, app)?.since ?? now, resolvedAt: now };
  const others = isWhole(table) ? undefined : new OtherParts(paths, table, app);
  await withMachineLock(false, async () => {
    if (!isWhole(table)) rebuild(paths, table, app, others);
    putRules(table, part);
    writeFirewallRecord(paths, app, record);
  });
}

/**
 * The same while the app runs, with what its names stand for now. Only what has changed is touched.
 * @returns whether the rules had gone and were put back.
 * @throws MetactlError METACTL_FIREWALL_TOO_LARGE: then all stays as it is.
 */
export async function renewFirewall(paths: Paths, app: string, link: string, plan: FirewallPlan): Promise<boolean> {
  const table = firewallTableName(paths);
  const part = firewallPart(table, app, link, plan);
  const others = isWhole(table) ? undefined : new OtherParts(paths, table, app);
  return await withMachineLock(false, async () => {
    const before = readFirewallRecord(paths, app);
    const gone = before === undefined || !isInForce(table, app, before.plan);
    if (gone && !isWhole(table)) rebuild(paths, table, app, others);
    const now = Date.now();
    const record: FirewallRecord = { link, plan, since: before?.since ?? now, resolvedAt: now };
    if (gone) putRules(table, part);
    else if (!sameAddresses(before?.plan, plan)) exchangeAddresses(table, part);
    writeFirewallRecord(paths, app, record);
    return gone;
  });
}

/** Puts back what somebody took away, from the record. @returns whether something was missing. */
export async function repairFirewall(paths: Paths, app: string): Promise<boolean> {
  const table = firewallTableName(paths);
  const isMissing = () => {
    const record = readFirewallRecord(paths, app);
    return record === undefined || isInForce(table, app, record.plan) ? undefined : record;
  };
  const missing = isMissing();
  if (missing === undefined) return false;
  const part = firewallPart(table, app, missing.link, missing.plan);
  const others = isWhole(table) ? undefined : new OtherParts(paths, table, app);
  return await withMachineLock(false, async () => {
    // Its supervisor alone renews it, and does one thing after the other: what is on record is the same as before.
    if (isMissing() === undefined) return false;
    if (!isWhole(table)) rebuild(paths, table, app, others);
    putRules(table, part);
    return true;
  });
}

/** Takes an app's firewall away, with the last one the table. Under the app's lock, after all of the app is gone. */
export async function removeFirewall(paths: Paths, app: string): Promise<void> {
  const made = madeOf(paths, app, 'firewall');
  if (made.length === 0) {
    removeFirewallRecord(paths, app);
    return;
  }
  const table = firewallTableName(paths);
  await withMachineLock(false, async () => {
    const record = readFirewallRecord(paths, app);
    // What the sets hold goes with them.
    const part = firewallPart(table, app, record?.link ?? '', NOTHING);
    // Without a record it was never put.
    if (record !== undefined) transact('remove the firewall', table, removePart(part), osConstants.errno.ENOENT);
    removeFirewallRecord(paths, app);
    if (!hasOtherRecord(paths, app)) transact('remove the nft table', table, removeTable(table));
  });
  forgetMade(paths, app, ...made);
}

/** What an app's firewall is now; undefined where it has none, or doesn't run. */
export function readFirewall(paths: Paths, app: string): FirewallState | undefined {
  const record = recordOf(paths, app);
  if (record === undefined) return undefined;
  const table = firewallTableName(paths);
  const { counter, refused } = firewallNames(app);
  const native = networkAddon();
  const counts: Counts | undefined = readCounter(native.nfnetlink(askCounter(table, counter)));
  const seen = (sets: readonly string[]) =>
    sets.flatMap((set) => readElements(native.nfnetlink(listElements(table, set))));
  const own = { link: record.link, age: Date.now() - record.since };
  const destinations = [
    ...seen(refused['4']).flatMap((element) => destination(element, 4, own)),
    ...seen(refused['6']).flatMap((element) => destination(element, 16, own)),
  ].sort((a, b) => a.agoMs - b.agoMs);
  return {
    plan: record.plan,
    resolvedAt: record.resolvedAt,
    inForce: isInForce(table, app, record.plan),
    refused: counts ?? { packets: 0, bytes: 0 },
    destinations,
  };
}

const NOTHING: FirewallPlan = { policy: 'drop', accept: [], resolvers: [], resolveInterval: 0 };

function putRules(table: string, part: NftTable): void {
  transact('put the firewall in force', table, putPart(part));
}

function exchangeAddresses(table: string, part: NftTable): void {
  transact('exchange the addresses of the firewall', table, refillSets(acceptPart(part)));
}

/** Whether the table has all that apps have in common, as this version makes it. */
function isWhole(table: string): boolean {
  const native = networkAddon();
  const counts = readRuleCounts(native.nfnetlink(askChains(table, [...WHOLE.keys()])));
  if (![...WHOLE].every(([chain, rules]) => counts.get(chain) === rules)) return false;
  if (countRules(native.nfnetlink(listRules(table, LED_TO.name))) !== LED_TO.rules) return false;
  return FIXED.every((set) => isFilledSo(table, set));
}

/** Whether a set has these elements and no others. */
function isFilledSo(table: string, set: NftSet): boolean {
  const found = elementTexts(networkAddon().nfnetlink(listElements(table, set.name)));
  const wanted = elementLists(set, set.elements ?? []).flatMap((list) => listTexts(list.subarray(ATTRIBUTE)));
  return found.size === new Set(wanted).size && wanted.every((text) => found.has(text));
}

/** Length of an attribute's header. */
const ATTRIBUTE = 4;

/** Whether packets of the app's link get to its rules, and all of these are there. */
function isInForce(table: string, app: string, plan: FirewallPlan): boolean {
  if (!isWhole(table)) return false;
  const name = firewallChain(app);
  const uses = readRuleCounts(networkAddon().nfnetlink(askChains(table, [name]))).get(name);
  // One more is the element that leads to it.
  return uses === ruleCount(app, plan) + 1 && acceptSets(app, plan).every((set) => isFilledSo(table, set));
}

/** The firewalls of all other apps, computed before the lock is taken; only those that change meanwhile cost time under it. */
class OtherParts {
  readonly #table: string;
  readonly #parts = new Map<string, { readonly of: string; readonly part: NftTable }>();

  constructor(paths: Paths, table: string, except: string) {
    this.#table = table;
    for (const [app, record] of otherRecords(paths, except)) this.of(app, record);
  }

  of(app: string, { link, plan }: FirewallRecord): NftTable {
    const of = JSON.stringify([link, plan]);
    const known = this.#parts.get(app);
    const part = known?.of === of ? known.part : firewallPart(this.#table, app, link, plan);
    this.#parts.set(app, { of, part });
    return part;
  }
}

/** Makes the table anew with the firewalls of all apps that have one on record, but `except`, which follows. */
function rebuild(paths: Paths, table: string, except: string, prepared: OtherParts | undefined): void {
  const parts = prepared ?? new OtherParts(paths, table, except);
  transact('load the nft table', table, replaceTable(firewallTable(table)));
  for (const [app, record] of otherRecords(paths, except)) putRules(table, parts.of(app, record));
}

/** Whether another app has a firewall. Stops at the first: with hundreds of apps most removals end there. */
function hasOtherRecord(paths: Paths, except: string): boolean {
  const directory = opendirSync(paths.run);
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      if (entry.isDirectory() && entry.name !== except && recordOf(paths, entry.name) !== undefined) return true;
    }
    return false;
  } finally {
    directory.closeSync();
  }
}

/** A record of an earlier boot stands for nothing. */
function recordOf(paths: Paths, app: string): FirewallRecord | undefined {
  const record = readFirewallRecord(paths, app);
  return record !== undefined && madeOf(paths, app, 'firewall').length > 0 ? record : undefined;
}

function otherRecords(paths: Paths, except: string): [string, FirewallRecord][] {
  return readdirSync(paths.run, { withFileTypes: true }).flatMap((entry): [string, FirewallRecord][] => {
    if (!entry.isDirectory() || entry.name === except) return [];
    const record = recordOf(paths, entry.name);
    return record === undefined ? [] : [[entry.name, record]];
  });
}

function sameAddresses(before: FirewallPlan | undefined, now: FirewallPlan): boolean {
  const essence = (plan: FirewallPlan) =>
    JSON.stringify([
      plan.resolvers,
      plan.accept.map(({ networks, ports, protocol }) => [[...networks].sort(), ports, protocol]),
    ]);
  return before !== undefined && essence(before) === essence(now);
}

const IFNAMSIZ = 16;

/**
 * The key is link, address, protocol and, where that has any, port, each padded to four bytes. What an app of the same name did before this one
 * was started is left out.
 */
function destination(
  { key, expires, packets, bytes }: SeenElement,
  size: 4 | 16,
  { link, age }: { readonly link: string; readonly age: number },
): RefusedDestination[] {
  const agoMs = Math.max(0, REFUSED.timeout * 1000 - expires);
  const name = key.toString('latin1', 0, IFNAMSIZ).replace(/\0+$/, '');
  if (key.length < IFNAMSIZ + size + 4 || name !== link || agoMs > age) return [];
  const rest = key.subarray(IFNAMSIZ);
  const address =
    size === 4 ? formatAddress(rest.readUInt32BE()) : formatIpv6(BigInt(`0x${rest.toString('hex', 0, size)}`));
  const number = BigInt(rest.readUInt8(size));
  const protocol = formatValue('inet_proto', { first: number, last: number });
  const port = rest.length > size + 4 ? { port: rest.readUInt16BE(size + 4) } : {};
  return [{ address, protocol, ...port, packets, bytes, agoMs }];
}
