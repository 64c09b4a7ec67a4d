import type { NodeConfig } from '../../config/types.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { formatIpv6, parseIpv6 } from '../../util/ipv6.ts';
import type { Paths } from '../../util/paths.ts';
import type { Lease, LeaseRequest } from '../host.ts';
import { type AddressPool, readPools } from './address-pool.ts';
import { firstFreeBlock } from './id-blocks.ts';
import { changeLeases } from './lease-file.ts';
import { hostLinkName } from './network-name.ts';
import { type AppLease, type Leases, readLeases } from './read-leases.ts';
import { firstFreeUid, type UidRanges, uidSlices } from './uids.ts';

/**
 * The app's addresses and uid: what it already has, else new ones. See Host.lease.
 * @throws MetactlError (78): METACTL_ADDRESS_OUTSIDE_POOL, METACTL_ADDRESS_RESERVED, METACTL_ADDRESS_IN_USE,
 *   METACTL_ADDRESS_CONFLICT; (1): METACTL_POOL_FULL, METACTL_UIDS_EXHAUSTED, METACTL_IDS_EXHAUSTED, METACTL_LEASES_CORRUPT, errno names.
 */
export async function lease(paths: Paths, node: NodeConfig, request: LeaseRequest): Promise<Lease> {
  const { wantAddress, wantUid, network } = request;
  if (!wantAddress && !wantUid && !request.wantIds && network === undefined)
    return { address: undefined, uid: undefined };
  const { ipv4, ipv6 } = readPools(paths, node, request.nat === true);
  const pools = { ipv4, ipv6: request.wantAddress6 === true ? ipv6 : undefined };
  const before = readLeases(paths);
  const linkOf = (app: string) => hostLinkName(paths, app);
  const sources: IdSources = { uids: uidSlices(node.uidRange, paths.nodeId), node, nodeId: paths.nodeId, linkOf };
  const planned = allocate(before, sources, request, pools, new Set());
  if (!request.take || isSame(before.apps[request.app], planned)) return result(request, planned);
  let taken = planned;
  await changeLeases(paths, async (leases) => {
    taken = await allocateProbed(leases, sources, request, pools, probing(paths, node));
    if (isSame(leases.apps[request.app], taken)) return leases;
    return { version: 1, apps: { ...leases.apps, [request.app]: taken } };
  });
  return result(request, taken);
}

function idsOf(wanted: boolean, { ids }: AppLease): { ids?: number } {
  return wanted && ids !== undefined ? { ids } : {};
}

/** Where new ids come from. */
interface IdSources {
  readonly uids: UidRanges;
  readonly node: NodeConfig;
  readonly nodeId: string;
  /** The app's link on the host. */
  readonly linkOf: (app: string) => string;
}

function result({ wantAddress, wantAddress6, wantUid, wantIds }: LeaseRequest, entry: AppLease): Lease {
  return {
    address: wantAddress ? entry.address : undefined,
    ...(wantAddress6 === true && entry.address6 !== undefined ? { address6: entry.address6 } : {}),
    uid: wantUid ? entry.uid : undefined,
    ...idsOf(wantIds === true, entry),
  };
}

function isSame(a: AppLease | undefined, b: AppLease): boolean {
  const keys = ['address', 'address6', 'uid', 'ids', 'network'] as const;
  return keys.every((key) => a?.[key] === b[key]);
}

interface Pools {
  readonly ipv4: AddressPool;
  /** Undefined: the app gets no IPv6 address. */
  readonly ipv6: AddressPool | undefined;
}

/** What the app's entry will be. Pure but for the look at which uids are in use. */
function allocate(
  leases: Leases,
  sources: IdSources,
  request: LeaseRequest,
  pools: Pools,
  refused: ReadonlySet<string>,
): AppLease {
  const own = Object.hasOwn(leases.apps, request.app) ? (leases.apps[request.app] ?? {}) : {};
  const others = Object.entries(leases.apps).filter(([name]) => name !== request.app);
  const choose = (pool: AddressPool, wanted: string | undefined, current: string | undefined) =>
    chooseAddress(request.app, others, pool, { wanted, current, link: sources.linkOf(request.app) }, refused);
  const address = request.wantAddress ? choose(pools.ipv4, request.address, own.address) : own.address;
  const wanted6 = request.wantAddress ? canonical(request.address6) : undefined;
  if (wanted6 !== undefined && pools.ipv6 === undefined) throw addressError('OUTSIDE_POOL', wanted6, NO_IPV6);
  const address6 = pools.ipv6 === undefined ? own.address6 : choose(pools.ipv6, wanted6, own.address6);
  const uid = request.wantUid ? (own.uid ?? firstFreeUid(sources.uids, uidsOf(leases))) : own.uid;
  const ids = request.wantIds ? (own.ids ?? newBlock(leases, sources)) : own.ids;
  return {
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
    ...(uid === undefined ? {} : { uid }),
    ...(ids === undefined ? {} : { ids }),
    ...(request.network === undefined ? {} : { network: request.network }),
  };
}

const NO_IPV6 = "can't be had: the app gets IPv6 from [network] pool only, and not in mode nat";

/** IPv6 addresses have many forms; the schema has seen to it that this is one. */
function canonical(address: string | undefined): string | undefined {
  const number = address === undefined ? undefined : parseIpv6(address);
  return number === undefined ? undefined : formatIpv6(number);
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
  pools: Pools,
  ownerOf: OwnerOf,
): Promise<AppLease> {
  const refused: string[] = [];
  const before = leases.apps[request.app];
  for (;;) {
    const entry = allocate(leases, sources, request, pools, new Set(refused));
    const fresh = [
      { pool: pools.ipv4, address: entry.address, known: before?.address, wanted: request.address },
      { pool: pools.ipv6, address: entry.address6, known: before?.address6, wanted: request.address6 },
    ];
    let conflict = false;
    for (const { pool, address, known, wanted } of fresh) {
      if (pool === undefined || address === undefined || address === known || !pool.has(address)) continue;
      const owner = await ownerOf(pool, address, request);
      if (owner === undefined) continue;
      const question = pool.family === 4 ? 'an ARP probe' : 'a neighbour solicitation';
      if (wanted !== undefined) {
        throw addressError('CONFLICT', address, `is used by another machine: ${owner} answered ${question}`);
      }
      conflict = true;
      refused.push(address);
      if (refused.length >= MOST_CONFLICTS) throw crowdedError(pool, request.app, refused);
    }
    if (!conflict) return entry;
  }
}

/** Hardware address of another machine that has the address. */
type OwnerOf = (pool: AddressPool, address: string, request: LeaseRequest) => Promise<string | undefined>;

/** Only where the pool is on the uplink's own network: elsewhere a router that answers for others would be asked. */
function probing(paths: Paths, node: NodeConfig): OwnerOf {
  return async (pool, address, request) => {
    if (pool.family === 4 && request.nat === true) return undefined;
    if (node.pool.length === 0) return undefined;
    const { findUplink } = await import('./uplink.ts');
    const uplink = findUplink(paths, node);
    if (!pool.isOnLink(uplink.name, address)) return undefined;
    return (await import('./arp-probe.ts')).whoHas(uplink, address);
  };
}

function crowdedError(pool: AddressPool, app: string, refused: readonly string[]): MetactlError {
  return new MetactlError(
    `other machines use the pool ${pool.text}: none of ${refused[0]} to ${refused.at(-1)} is free for ${app}`,
    {
      code: 'METACTL_ADDRESS_CONFLICT',
      step: 'lease an address',
      path: pool.text,
      hint: 'set [network] pool in metactl.conf to addresses that are set aside for this node',
      exitStatus: EXIT.configuration,
    },
  );
}

function chooseAddress(
  app: string,
  others: readonly (readonly [string, AppLease])[],
  pool: AddressPool,
  {
    wanted,
    current,
    link,
  }: { readonly wanted: string | undefined; readonly current: string | undefined; readonly link: string },
  refused: ReadonlySet<string>,
): string {
  if (wanted !== undefined) return checkWanted(wanted, pool, others);
  // An address that has left the pool (the administrator changed it) is given up.
  // So is one of the default pool that an app of another root has by now: two roots can have the same slice of it.
  if (current !== undefined && pool.has(current) && !pool.isRoutedBesides(link, current)) return current;
  const taken = others.flatMap(([, entry]) => addressesOf(entry));
  const free = pool.firstFree(new Set([...taken, ...refused]));
  if (free !== undefined) return free;
  throw new MetactlError(`the pool ${pool.text} has no free address for ${app}`, {
    code: 'METACTL_POOL_FULL',
    step: 'lease an address',
    hint: 'make [network] pool in metactl.conf larger, or purge apps that are gone',
  });
}

function addressesOf({ address, address6 }: AppLease): string[] {
  return [address, address6].filter((one) => one !== undefined);
}

function checkWanted(wanted: string, pool: AddressPool, others: readonly (readonly [string, AppLease])[]): string {
  if (!pool.has(wanted)) throw addressError('OUTSIDE_POOL', wanted, `is outside the pool ${pool.text}`);
  const holder = others.find(([, entry]) => addressesOf(entry).includes(wanted))?.[0];
  if (holder !== undefined) throw addressError('IN_USE', wanted, `is leased to the app ${holder}`);
  if (pool.isReserved(wanted)) {
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
