import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { NodeConfig } from '../../config/types.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { formatAddress, parseAddress } from '../../util/ip.ts';
import type { Paths } from '../../util/paths.ts';
import type { Lease, LeaseRequest } from '../host.ts';
import { firstFreeBlock } from './id-blocks.ts';
import { type AppLease, changeLeases, type Leases, readLeases } from './lease-file.ts';
import { firstFree, type HostAddresses, isInPool, isOnLink, type Pool, parseRoutes, poolOf } from './pool.ts';
import { firstFreeUid, type UidRanges, uidSlices } from './uids.ts';

/**
 * The app's address and uid: what it already has, else new ones. See Host.lease.
 * @throws MetactlError (78): METACTL_ADDRESS_OUTSIDE_POOL, METACTL_ADDRESS_RESERVED, METACTL_ADDRESS_IN_USE,
 *   METACTL_ADDRESS_CONFLICT; (1): METACTL_POOL_FULL, METACTL_UIDS_EXHAUSTED, METACTL_IDS_EXHAUSTED, METACTL_LEASES_CORRUPT, errno names.
 */
export async function lease(paths: Paths, node: NodeConfig, request: LeaseRequest): Promise<Lease> {
  if (!request.wantAddress && !request.wantUid && !request.wantIds) return { address: undefined, uid: undefined };
  const host = readHostAddresses();
  const pool = poolOf(paths, node, host);
  const before = readLeases(paths);
  const sources: IdSources = { uids: uidSlices(node.uidRange, paths.nodeId), node, nodeId: paths.nodeId };
  const planned = allocate(before, sources, request, pool, new Set());
  if (!request.take || isSame(before.apps[request.app], planned)) return result(request, planned);
  let taken = planned;
  await changeLeases(paths, async (leases) => {
    taken = await allocateProbed(leases, sources, request, probing(paths, node, pool, host));
    if (isSame(leases.apps[request.app], taken)) return leases;
    return { version: 1, apps: { ...leases.apps, [request.app]: taken } };
  });
  return result(request, taken);
}

/** The app's leases as they are written down, without taking any. @throws MetactlError as `readLeases`. */
export function readLease(paths: Paths, app: string): Lease {
  const { apps } = readLeases(paths);
  const entry = Object.hasOwn(apps, app) ? apps[app] : undefined;
  return { address: entry?.address, uid: entry?.uid, ...idsOf(true, entry ?? {}) };
}

function idsOf(wanted: boolean, { ids }: AppLease): { ids?: number } {
  return wanted && ids !== undefined ? { ids } : {};
}

/** Where new ids come from. */
interface IdSources {
  readonly uids: UidRanges;
  readonly node: NodeConfig;
  readonly nodeId: string;
}

function result({ wantAddress, wantUid, wantIds }: LeaseRequest, entry: AppLease): Lease {
  return {
    address: wantAddress ? entry.address : undefined,
    uid: wantUid ? entry.uid : undefined,
    ...idsOf(wantIds === true, entry),
  };
}

function isSame(a: AppLease | undefined, b: AppLease): boolean {
  return a?.address === b.address && a?.uid === b.uid && a?.ids === b.ids;
}

/** What the app's entry will be. Pure but for the look at which uids are in use. */
function allocate(
  leases: Leases,
  sources: IdSources,
  request: LeaseRequest,
  pool: Pool,
  refused: ReadonlySet<number>,
): AppLease {
  const own = Object.hasOwn(leases.apps, request.app) ? (leases.apps[request.app] ?? {}) : {};
  const address = request.wantAddress ? chooseAddress(leases, request, pool, own.address, refused) : own.address;
  const uid = request.wantUid ? (own.uid ?? firstFreeUid(sources.uids, uidsOf(leases))) : own.uid;
  const ids = request.wantIds ? (own.ids ?? newBlock(leases, sources)) : own.ids;
  return {
    ...(address === undefined ? {} : { address }),
    ...(uid === undefined ? {} : { uid }),
    ...(ids === undefined ? {} : { ids }),
  };
}

/** More in a row are no accident: the pool is a network that other machines use. */
const MOST_CONFLICTS = 8;

/**
 * A new address is probed once, before it is written down: a machine that was given it by hand must not lose its
 * traffic. Later conflicts are noticed by listening, not here.
 */
async function allocateProbed(
  leases: Leases,
  sources: IdSources,
  request: LeaseRequest,
  host: Probing,
): Promise<AppLease> {
  const refused = new Set<number>();
  for (;;) {
    const entry = allocate(leases, sources, request, host.pool, refused);
    const isNew = entry.address !== undefined && entry.address !== leases.apps[request.app]?.address;
    const owner = isNew ? await host.ownerOf(entry.address!) : undefined;
    if (owner === undefined) return entry;
    if (request.address !== undefined) {
      throw addressError('CONFLICT', request.address, `is used by another machine: ${owner} answered an ARP probe`);
    }
    refused.add(parseAddress(entry.address!)!);
    if (refused.size >= MOST_CONFLICTS) throw crowdedError(host.pool, request.app, [...refused]);
  }
}

interface Probing {
  readonly pool: Pool;
  /** Hardware address of another machine that has the address. */
  ownerOf(address: string): Promise<string | undefined>;
}

/** Only where the pool is on the uplink's own network: elsewhere a router that answers for others would be asked. */
function probing(paths: Paths, node: NodeConfig, pool: Pool, { routes }: HostAddresses): Probing {
  return {
    pool,
    async ownerOf(address) {
      if (node.pool.length === 0) return undefined;
      const { findUplink } = await import('./uplink.ts');
      const uplink = findUplink(paths, node);
      if (!isOnLink(routes, uplink.name, parseAddress(address)!)) return undefined;
      return (await import('./arp-probe.ts')).whoHas(uplink, address);
    },
  };
}

function crowdedError(pool: Pool, app: string, refused: readonly number[]): MetactlError {
  const range = `${formatAddress(refused[0]!)} to ${formatAddress(refused.at(-1)!)}`;
  return new MetactlError(`other machines use the pool ${pool.text}: none of ${range} is free for ${app}`, {
    code: 'METACTL_ADDRESS_CONFLICT',
    step: 'lease an address',
    path: pool.text,
    hint: 'set [network] pool in metactl.conf to addresses that are set aside for this node',
    exitStatus: EXIT.configuration,
  });
}

function chooseAddress(
  leases: Leases,
  { app, address: wanted }: LeaseRequest,
  pool: Pool,
  current: string | undefined,
  refused: ReadonlySet<number>,
): string {
  const others = Object.entries(leases.apps).filter(([name]) => name !== app);
  if (wanted !== undefined) return checkWanted(wanted, pool, others);
  const currentNumber = current === undefined ? undefined : parseAddress(current);
  // An address that has left the pool (the administrator changed it) is given up.
  if (currentNumber !== undefined && isInPool(pool, currentNumber)) return formatAddress(currentNumber);
  const taken = new Set([...others.flatMap(([, entry]) => parseAddress(entry.address ?? '') ?? []), ...refused]);
  const free = firstFree(pool, taken);
  if (free !== undefined) return formatAddress(free);
  throw new MetactlError(`the pool ${pool.text} has no free address for ${app}`, {
    code: 'METACTL_POOL_FULL',
    step: 'lease an address',
    hint: 'make [network] pool in metactl.conf larger, or purge apps that are gone',
  });
}

function checkWanted(wanted: string, pool: Pool, others: readonly [string, AppLease][]): string {
  const number = parseAddress(wanted);
  if (number === undefined || !isInPool(pool, number)) {
    throw addressError('OUTSIDE_POOL', wanted, `is outside the pool ${pool.text}`);
  }
  const holder = others.find(([, entry]) => entry.address === wanted)?.[0];
  if (holder !== undefined) throw addressError('IN_USE', wanted, `is leased to the app ${holder}`);
  if (pool.isReserved(number)) {
    throw addressError('RESERVED', wanted, "can't be leased: it belongs to the host, a gateway or a network itself");
  }
  return wanted;
}

function addressError(code: string, address: string, text: string): MetactlError {
  return new MetactlError(`[sandbox.net] ip: ${address} ${text}`, {
    code: `METACTL_ADDRESS_${code}`,
    step: 'lease an address',
    path: address,
    hint: 'choose another one, or leave the key out: the app then gets one that stays the same',
    exitStatus: EXIT.configuration,
  });
}

function uidsOf(leases: Leases): ReadonlySet<number> {
  return new Set(Object.values(leases.apps).flatMap((entry) => entry.uid ?? []));
}

function newBlock(leases: Leases, { node, nodeId }: IdSources): number {
  const leased = Object.values(leases.apps).flatMap((entry) => entry.ids ?? []);
  return firstFreeBlock(node.subuidRange, nodeId, { leased, uidRange: node.uidRange });
}

function readHostAddresses(): HostAddresses {
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return {
    routes: parseRoutes(readFileSync('/proc/net/route', 'utf8')),
    own: own.flatMap(({ family, address }) => (family === 'IPv4' ? (parseAddress(address) ?? []) : [])),
  };
}
