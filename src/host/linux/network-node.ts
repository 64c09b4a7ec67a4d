import { opendirSync } from 'node:fs';
import type { Paths } from '../../util/paths.ts';
import { type BaseNeed, readIpv6Facts, type SysctlValue, sysctlsFor } from './forwarding.ts';
import { withMachineLock } from './machine-lock.ts';
import { ensureNatTable, isNatWhole, natTableName } from './nat-table.ts';
import { tableName } from './network-name.ts';
import { baseTable, isWhole, loadBaseTable, type Router, readOtherClaims, removeBaseTable } from './nft.ts';
import { forgetMade, type MadeObject, type MadeOf, madeOf, ofKind, readMade, recordMade } from './record.ts';
import { readSysctl, writeSysctl } from './sysctl.ts';

/**
 * What all networks of a node share: the nft tables and the changed sysctls of uplinks. Made for the first app, taken
 * back with the last. An app records its own network first and looks at this after; the last one to leave looks, under
 * the lock, whether any app has a network recorded. So neither misses the other.
 */

/** Makes sure that the base is there, as it is needed. The usual case costs few look-ups and no process. */
export async function ensureBase(paths: Paths, need: BaseNeed): Promise<void> {
  if (await withMachineLock(true, async () => isReady(paths, need))) return;
  await withMachineLock(false, async () => load(paths, need));
}

/** Whether all that is needed is there and on record, and nobody has changed it since. */
export function isReady(paths: Paths, need: BaseNeed): boolean {
  const { uplink, ipv6, nat } = need;
  const made = readMade(paths, undefined);
  if (!isBaseWhole(paths, made) || (nat && !isNatWhole(paths))) return false;
  const tables = ofKind(made, 'nft').map(({ table }) => table);
  if (!tables.includes(tableName(paths)) || (nat && !tables.includes(natTableName(paths)))) return false;
  if (uplink === undefined) return true;
  const recorded = ofKind(made, 'sysctl');
  const has = ({ key }: SysctlValue) => recorded.some((one) => one.key === key);
  if (!uplink.forwarding || !sysctlsFor({ ...need, ipv6: false }, undefined).every(has)) return false;
  return !ipv6 || isIpv6Ready(uplink.name, recorded);
}

/** Whether the base table has all its rules; `router`: those that it should have if the machine were one. */
export function isBaseWhole(
  paths: Paths,
  made: readonly MadeObject[] = readMade(paths, undefined),
  router: Router = routerNow(),
): boolean {
  return isWhole(baseTable(tableName(paths), ofKind(made, 'sysctl'), router));
}

/**
 * Whether somebody has made the machine a router, or none again, since the base table was loaded: `on` or `off`.
 * It is Docker and the like that do so when they start; `ensureBase` follows.
 */
export function routerChange(paths: Paths): 'on' | 'off' | undefined {
  const made = readMade(paths, undefined);
  const router = routerNow();
  if (isBaseWhole(paths, made, router)) return undefined;
  const turns = [
    { ...router, ipv4: !router.ipv4 },
    { ...router, ipv6: !router.ipv6 },
    { ipv4: !router.ipv4, ipv6: !router.ipv6 },
  ];
  const before = turns.find((one) => isBaseWhole(paths, made, one));
  if (before === undefined) return undefined;
  return (before.ipv4 !== router.ipv4 ? router.ipv4 : router.ipv6) ? 'on' : 'off';
}

function routerNow(): Router {
  return { ipv4: readSysctl(FORWARDING4) === '1', ipv6: readSysctl(ALL_FORWARDING6) === '1' };
}

function isIpv6Ready(uplink: string, recorded: readonly MadeOf<'sysctl'>[]): boolean {
  if (!recorded.some(({ key }) => key === `net/ipv6/conf/${uplink}/forwarding`)) return false;
  return changed(recorded).length === 0;
}

/** Those of IPv6 that are on record and that somebody has changed since. */
export function changedIpv6Sysctls(paths: Paths): string[] {
  return changed(ofKind(readMade(paths, undefined), 'sysctl'));
}

function changed(recorded: readonly MadeOf<'sysctl'>[]): string[] {
  return recorded
    .filter(({ key, value }) => key.startsWith('net/ipv6/') && ![value, undefined].includes(readSysctl(key)))
    .map(({ key }) => key);
}

/** Sysctls that another root needs too: the last root that uses an uplink puts them back. */
export function claimedElsewhere(paths: Paths): ReadonlySet<string> {
  return new Set(readOtherClaims(tableName(paths)).map(({ key }) => key));
}

/** The sysctls that a need would change now, in order. */
export function sysctlChanges(need: BaseNeed): { key: string; from: string; to: string }[] {
  return wantedSysctls(need).flatMap(({ key, value }) => {
    const from = readSysctl(key);
    return from === undefined || from === value ? [] : [{ key, from, to: value }];
  });
}

function wantedSysctls(need: BaseNeed): SysctlValue[] {
  const { uplink, ipv6 } = need;
  return sysctlsFor(need, ipv6 && uplink !== undefined ? readIpv6Facts(uplink.name) : undefined);
}

function load(paths: Paths, need: BaseNeed): void {
  const table = tableName(paths);
  const changes = changesOf(table, need, readMade(paths, undefined));
  const tables = [table, ...(need.nat ? [natTableName(paths)] : [])].map(
    (name) => ({ kind: 'nft', table: name }) as const,
  );
  disownRouter(paths);
  const made = recordMade(paths, undefined, ...tables, ...changes);
  // The rules first: an uplink never forwards without them.
  loadBaseTable(table, ofKind(made, 'sysctl'), routerNow());
  if (need.nat) ensureNatTable(paths);
  for (const { key, value } of ofKind(made, 'sysctl')) if (readSysctl(key) !== value) writeSysctl(key, value);
}

/**
 * A device that forwarded before metactl came, and that somebody has switched off since, forwards only because metactl
 * switches it on again: from there to apps only, and off after the last.
 */
function disownRouter(paths: Paths): void {
  const switched = ofKind(readMade(paths, undefined), 'sysctl').filter(
    ({ key, old }) => old === '1' && DEVICE_FORWARDS.test(key) && readSysctl(key) === '0',
  );
  if (switched.length === 0) return;
  forgetMade(paths, undefined, ...switched);
  recordMade(paths, undefined, ...switched.map((one) => ({ ...one, old: '0' })));
}

/** What to record for a new need: an uplink, and sysctls as they were before any root's metactl changed them. */
function changesOf(table: string, need: BaseNeed, made: readonly MadeObject[]): MadeObject[] {
  const { uplink } = need;
  if (uplink === undefined) return [];
  const known = new Set(ofKind(made, 'sysctl').map(({ key }) => key));
  const fresh = wantedSysctls(need).filter(({ key }) => !known.has(key));
  const claims = fresh.length === 0 ? [] : readOtherClaims(table);
  const sysctls = fresh.flatMap(({ key, value }): MadeObject[] => {
    const old = claims.find((claim) => claim.key === key)?.old ?? readSysctl(key);
    return old === undefined ? [] : [{ kind: 'sysctl', key, old, value }];
  });
  const uplinks = ofKind(made, 'uplink').some(({ name }) => name === uplink.name)
    ? []
    : [{ kind: 'uplink', name: uplink.name, configured: uplink.configured } as const];
  return [...sysctls, ...uplinks];
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
  const claimed = claimedElsewhere(paths);
  const sysctls = ofKind(made, 'sysctl').filter(({ key }) => !claimed.has(key));
  const all = sysctls.some(({ key }) => key === ALL_FORWARDING6);
  // Backwards: accept_ra goes back to what it was when nothing forwards any more.
  for (const sysctl of [...sysctls].reverse()) putBack(sysctl, all);
  for (const { key, old, value } of all ? sysctls : []) {
    if (/^net\/ipv6\/conf\/.+\/forwarding$/.test(key) && old === value) writeSysctl(key, value);
  }
  for (const { table } of ofKind(made, 'nft')) removeBaseTable(table);
  forgetMade(paths, undefined, ...made);
}

const FORWARDING4 = 'net/ipv4/ip_forward';
const ALL_FORWARDING6 = 'net/ipv6/conf/all/forwarding';
const DEVICE_FORWARDS = /^net\/(?:ipv4\/conf\/.+\/forwarding|ipv6\/conf\/.+\/force_forwarding)$/;

function putBack(sysctl: MadeOf<'sysctl'>, ownForwarding6: boolean): void {
  const now = readSysctl(sysctl.key);
  const everywhere = sysctl.key.startsWith('net/ipv4/')
    ? readSysctl(FORWARDING4)
    : ownForwarding6
      ? '0'
      : readSysctl(ALL_FORWARDING6);
  if (isOursToPutBack(sysctl, now, everywhere)) writeSysctl(sysctl.key, sysctl.old);
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

/** Apps that had a network when it was looked last, by root: with hundreds of apps even listing them would take a while. */
const lastUsers = new Map<string, string>();

/** Whether any app of this root but the excepted ones has a network on record. Stops at the first. */
export function isBaseUsed(paths: Paths, except: (app: string) => boolean = () => false): boolean {
  const last = lastUsers.get(paths.run);
  if (last !== undefined && !except(last) && madeOf(paths, last, 'network').length > 0) return true;
  const directory = opendirSync(paths.run);
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      if (!entry.isDirectory() || except(entry.name) || madeOf(paths, entry.name, 'network').length === 0) continue;
      lastUsers.set(paths.run, entry.name);
      return true;
    }
    return false;
  } finally {
    directory.closeSync();
  }
}
