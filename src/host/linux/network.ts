import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeConfig } from '../../config/types.ts';
import type { NetworkPlan, OwnNetwork } from '../../sandbox/plan.ts';
import type { Paths } from '../../util/paths.ts';
import { formatPublish } from '../../util/publish.ts';
import { addon } from './addon.ts';
import { lockFile } from './flock.ts';
import type { BaseNeed } from './forwarding.ts';
import { areLiving } from './lock.ts';
import { addressRouted, linkGone, linkInUse, linkTaken, namespaceTaken, networkChanged } from './network-errors.ts';
import { linkAlias, NETNS_DIRECTORY, retiredLinkName } from './network-name.ts';
import { type Connection, type MadeNetwork, networkAddon, type PendingNetwork } from './network-native.ts';
import { ensureBase, releaseBase } from './network-node.ts';
import { publish, unpublish } from './publish.ts';
import { forgetMade, type MadeOf, madeOf, recordMade } from './record.ts';
import type { SpareNetns } from './spare-netns.ts';
import { writeSysctl } from './sysctl.ts';
import { findOutlet, findUplink, type Uplink } from './uplink.ts';

export { hostLinkName, NETNS_DIRECTORY } from './network-name.ts';

type Network = MadeOf<'network'>;

/** A dying namespace keeps its link's name for up to 0.1 s (sandbox.md rule 23), longer on a loaded machine. */
const NAME_PATIENCE = 2_000;
const NAME_PAUSE = 2;

/**
 * Makes an app's network, or what is missing of it, under the app's lock. The caller closes what it gets.
 * `meanwhile` is done while the kernel is busy, and in any case: what it throws is thrown, and the network removed.
 * `spare` is taken where the namespace isn't there. `withSysfs`: a new one's /sys is made too, for a start that is to come:
 * the kernel needs the longer for it the more apps there are.
 * Everything the launch waits for goes by the addon's own netlink: loading npm `netlink` costs 30 ms (gc uses it).
 * @throws MetactlError: METACTL_NO_UPLINK, METACTL_NO_IPV6, METACTL_LINK_TAKEN, METACTL_NETNS_TAKEN, METACTL_PORT_IN_USE,
 *   METACTL_ADDRESS_IN_USE, METACTL_ADDRESS_CHANGED, METACTL_NO_NFT, METACTL_NFT, or the errno of what failed. What it
 *   made is then removed.
 */
export async function makeAppNetwork(
  paths: Paths,
  node: NodeConfig,
  app: string,
  plan: NetworkPlan,
  { meanwhile = () => {}, spare, withSysfs = false }: NetworkOptions = {},
): Promise<MadeNetwork> {
  const own = requireOwn(plan);
  const need = needOf(paths, node, own);
  const wanted = networkOf(own, need.uplink);
  const known = await knownNetwork(paths, app, own, wanted);
  requireOwnLink(paths, app, wanted, known);
  if (known === undefined) recordMade(paths, app, wanted);
  const work = once(async () => {
    await ensureBase(paths, need);
    await publish(paths, app, wanted, known === undefined);
    meanwhile();
  });
  let made: MadeNetwork | undefined;
  try {
    // The new pair is down until it is connected, which is after the rules are there. One that is there may be up.
    if (known !== undefined) await work();
    made = await ensureInside(paths, app, wanted, known, { meanwhile: work, spare, withSysfs });
    await work();
    connect(paths, app, wanted, need.uplink);
    return made;
  } catch (error) {
    if (made !== undefined) closeMade(made);
    if (known === undefined) await removeAppNetwork(paths, app, plan);
    throw error;
  }
}

interface NetworkOptions {
  readonly meanwhile?: () => void;
  readonly spare?: SpareNetns;
  readonly withSysfs?: boolean;
}

/**
 * What an app's network needs of the host.
 * @throws MetactlError METACTL_NO_UPLINK (1) where addresses are to be reached by an uplink that isn't there.
 */
export function needOf(paths: Paths, node: NodeConfig, { mode, address6, publish: ports }: OwnNetwork): BaseNeed {
  const proxy = mode === 'routed';
  const ipv6 = address6 !== undefined;
  const uplink = proxy || ipv6 ? findUplink(paths, node) : findOutlet(paths, node);
  return { ...(uplink === undefined ? {} : { uplink }), proxy, ipv6, nat: mode === 'nat' || ports !== undefined };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    done = true;
    await work();
  };
}

/**
 * Removes an app's network, under the app's lock; with the last one of the node also what the node's networks share. The kernel
 * takes the veth pair away a moment later, once the last process inside has ended; host route and proxy-neighbour entry
 * are gone on return.
 */
export async function removeAppNetwork(paths: Paths, app: string, plan: NetworkPlan): Promise<void> {
  const recorded = madeOf(paths, app, 'network');
  const isOwn = plan.mode === 'routed' || plan.mode === 'nat';
  const networks = recorded.length > 0 || !isOwn ? recorded : [networkOf(plan, undefined)];
  for (const network of networks) await removeNetwork(paths, app, network, recorded.length > 0);
  forgetMade(paths, app, ...recorded);
  await releaseBase(paths);
}

/** Takes the kernel objects of one record away. `recorded`: a link without an alias is then ours, left half-made. */
export async function removeNetwork(paths: Paths, app: string, network: Network, recorded: boolean): Promise<void> {
  await unpublish(paths, app, network);
  const native = networkAddon();
  const link = native.readLink(network.link);
  const isOurs = link !== undefined && (link.alias === linkAlias(paths, app) || (recorded && link.alias === ''));
  const uplink = network.uplink === undefined ? undefined : native.readLink(network.uplink);
  if (isOurs || uplink !== undefined)
    native.disconnectHost(isOurs ? link.index : 0, connectionOf(network, uplink?.index ?? 0));
  if (!isOurs && !recorded) return;
  // Its name is free at once: the kernel needs 20 to 50 ms to take the pair away, which a restart would have to wait for.
  if (isOurs) native.retireLink(link.index, retiredLinkName(link.index));
  unpinNetns(network.netns);
}

/** Takes a namespace's name away, however often it is mounted there: a killed predecessor may have left several. */
export function unpinNetns(path: string): void {
  addon().unmount(path);
  rmSync(path, { force: true });
}

function requireOwn(plan: NetworkPlan): OwnNetwork {
  if (plan.mode === 'routed' || plan.mode === 'nat') return plan;
  throw new TypeError('makeAppNetwork: the plan has no network');
}

/** What is put on record. Pure. */
export function networkOf(
  { mode, netns, hostLink, address, address6, publish: ports }: OwnNetwork,
  uplink: Uplink | undefined,
): Network {
  const proxied = mode === 'routed' || address6 !== undefined;
  return {
    kind: 'network',
    netns: join(NETNS_DIRECTORY, netns),
    link: hostLink,
    address,
    ...(address6 === undefined ? {} : { address6 }),
    ...(proxied && uplink !== undefined ? { uplink: uplink.name } : {}),
    ...(mode === 'nat' ? { nat: true } : {}),
    ...(ports === undefined ? {} : { publish: ports.map(formatPublish).join(' ') }),
  };
}

/** Pure. `uplink`: its index, 0 where it isn't there. */
export function connectionOf({ address, address6, nat }: Network, uplink: number): Connection {
  const six = address6 === undefined ? [] : [address6];
  return { addresses: [address, ...six], proxied: nat === true ? six : [address, ...six], uplink };
}

/** The network on record if it is as wanted. One that differs is removed, unless daemons still use it. */
async function knownNetwork(
  paths: Paths,
  app: string,
  plan: OwnNetwork,
  wanted: Network,
): Promise<Network | undefined> {
  const [first, ...more] = madeOf(paths, app, 'network');
  if (first === undefined) return undefined;
  const keys = ['address', 'address6', 'uplink', 'link', 'nat', 'publish'] as const;
  if (keys.every((key) => first[key] === wanted[key]) && more.length === 0) return first;
  // The caller's own daemon is one of them: it holds its lock.
  if (areLiving(paths, app, 2)) throw networkChanged(app, first, wanted);
  await removeAppNetwork(paths, app, plan);
  return undefined;
}

/** The link's name, or the namespace's, may belong to somebody else: a hash that collides, an administrator's own. */
function requireOwnLink(paths: Paths, app: string, wanted: Network, known: Network | undefined): void {
  const alias = linkAlias(paths, app);
  const link = networkAddon().readLink(wanted.link);
  if (link !== undefined && link.alias !== alias && !(link.alias === '' && known !== undefined)) {
    throw linkTaken(app, wanted.link, link.alias, alias);
  }
  if (known !== undefined || link !== undefined) return;
  const netns = networkAddon().openNetns(wanted.netns);
  if (netns === undefined) return;
  closeSync(netns);
  throw namespaceTaken(app, wanted.netns);
}

let prepared = false;

/**
 * The place for a namespace's name. Under the lock that `ip netns` takes too: at boot many start at once, and of two mounts
 * on the directory the lower one would keep every namespace that was in it for ever.
 */
async function makePlace(path: string): Promise<void> {
  if (!prepared) {
    const directory = dirname(path);
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      await lockFile(fd, directory);
      networkAddon().prepareNetnsDirectory(directory);
      prepared = true;
    } finally {
      closeSync(fd);
    }
  }
  closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o444));
}

interface Beside {
  readonly meanwhile: () => Promise<void>;
  readonly spare: SpareNetns | undefined;
  readonly withSysfs: boolean;
}

/** `meanwhile` runs while the kernel makes the namespace. */
async function makeInside(wanted: Network, { meanwhile, spare, withSysfs }: Beside): Promise<MadeNetwork> {
  const { addresses } = connectionOf(wanted, 0);
  const pending = networkAddon().startNetwork(wanted.netns, wanted.link, addresses, spare?.take(), withSysfs);
  let failed = true;
  try {
    await meanwhile();
    failed = false;
  } finally {
    // Waited for also then, or it would be made behind the back of those who clear up.
    if (failed) abandon(pending);
  }
  return networkAddon().finishNetwork(pending);
}

function abandon(pending: PendingNetwork): void {
  try {
    closeMade(networkAddon().finishNetwork(pending));
  } catch {
    // What failed first is told.
  }
}

function closeMade({ netns, sysfs }: MadeNetwork): void {
  closeSync(netns);
  if (sysfs !== undefined) closeSync(sysfs);
}

/** The pinned namespace with everything in it. The link's name may be that of a pair which the kernel is taking away. */
async function ensureInside(
  paths: Paths,
  app: string,
  wanted: Network,
  known: Network | undefined,
  beside: Beside,
): Promise<MadeNetwork> {
  const native = networkAddon();
  let fresh = known === undefined;
  const deadline = Date.now() + NAME_PATIENCE;
  for (;;) {
    await makePlace(wanted.netns);
    const netns = fresh ? undefined : native.openNetns(wanted.netns);
    try {
      if (netns === undefined) return await makeInside(wanted, beside);
      native.repairNetwork(netns, wanted.link, connectionOf(wanted, 0).addresses);
      return { netns };
    } catch (error) {
      if (netns !== undefined) closeSync(netns);
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
      if (Date.now() > deadline) dropStaleLink(paths, app, wanted, error);
    }
    // From here on the namespace is pinned.
    fresh = false;
    await sleep(NAME_PAUSE);
  }
}

/** A pair that stays for seconds is held by a process of the old namespace; where no daemon lives it may go. */
function dropStaleLink(paths: Paths, app: string, wanted: Network, cause: unknown): void {
  const link = networkAddon().readLink(wanted.link);
  if (link === undefined) return;
  if (link.alias === linkAlias(paths, app) && !areLiving(paths, app, 2)) {
    networkAddon().deleteLink(link.index);
    return;
  }
  throw linkInUse(app, wanted.link, cause);
}

/** The host's side: link, routes and entries; last the news to the network. */
function connect(paths: Paths, app: string, wanted: Network, uplink: Uplink | undefined): void {
  const proxying = wanted.uplink === undefined ? undefined : uplink;
  const connection = connectionOf(wanted, proxying?.index ?? 0);
  const hostEnd = { forwarding: true, routeLocalnet: wanted.publish !== undefined };
  try {
    const isNew = networkAddon().connectHost(wanted.link, linkAlias(paths, app), { ...connection, ...hostEnd });
    // Gone with the link. Kernels before 6.17 know no such key: there the host forwards on all devices.
    if (wanted.address6 !== undefined) writeSysctl(`net/ipv6/conf/${wanted.link}/force_forwarding`, '1');
    if (proxying !== undefined && isNew) for (const address of connection.proxied) announce(proxying, address);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'EEXIST') throw addressRouted(wanted, error);
    throw code === 'ENODEV' ? linkGone(wanted.link, error) : error;
  }
}

function announce(uplink: Uplink, address: string): void {
  try {
    networkAddon().announce(uplink.index, address);
  } catch (error) {
    // An uplink that is down has nobody to tell.
    if ((error as { code?: string }).code !== 'ENETDOWN') throw error;
  }
}
