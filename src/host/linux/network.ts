import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeConfig } from '../../config/types.ts';
import type { NetworkPlan } from '../../sandbox/plan.ts';
import { MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { addon } from './addon.ts';
import { lockFile } from './flock.ts';
import { livingDaemons } from './lock.ts';
import { linkAlias, retiredLinkName } from './network-name.ts';
import { networkAddon, type PendingNetwork } from './network-native.ts';
import { ensureBase, releaseBase } from './network-node.ts';
import { forgetMade, type MadeOf, madeOf, recordMade } from './record.ts';
import { findUplink, type Uplink } from './uplink.ts';

export { hostLinkName } from './network-name.ts';

/** Where iproute2 looks for named network namespaces. Kernel objects are the machine's, so no root moves it. */
export const NETNS_DIRECTORY = '/run/netns';

type RoutedPlan = Extract<NetworkPlan, { mode: 'routed' }>;

/** A dying namespace keeps its link's name for up to 0.1 s (sandbox.md rule 23), longer on a loaded machine. */
const NAME_PATIENCE = 2_000;
const NAME_PAUSE = 2;

/**
 * Makes an app's network, or what is missing of it, under the app's lock. The caller closes `netns`.
 * `meanwhile` is done while the kernel is busy, and in any case: what it throws is thrown, and the network removed.
 * Everything the launch waits for goes by the addon's own netlink: loading npm `netlink` costs 30 ms (gc uses it).
 * @throws MetactlError: METACTL_NO_UPLINK, METACTL_LINK_TAKEN, METACTL_NETNS_TAKEN, METACTL_ADDRESS_IN_USE,
 *   METACTL_ADDRESS_CHANGED, METACTL_NO_NFT, METACTL_NFT, or the errno of what failed. What it made is then removed.
 */
export async function makeAppNetwork(
  paths: Paths,
  node: NodeConfig,
  app: string,
  plan: NetworkPlan,
  meanwhile: () => void = () => {},
): Promise<{ netns: number }> {
  const routed = requireRouted(plan);
  const uplink = node.pool.length > 0 ? findUplink(paths, node) : undefined;
  const wanted = networkOf(routed, uplink);
  const known = await knownNetwork(paths, app, routed, wanted);
  requireOwnLink(paths, app, wanted, known);
  if (known === undefined) recordMade(paths, app, wanted);
  const work = once(meanwhile);
  let netns: number | undefined;
  try {
    await ensureBase(paths, uplink);
    netns = await ensureInside(paths, app, wanted, known, work);
    work();
    connect(paths, app, wanted, uplink);
    return { netns };
  } catch (error) {
    if (netns !== undefined) closeSync(netns);
    if (known === undefined) await removeAppNetwork(paths, app, plan);
    throw error;
  }
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}

/**
 * Removes an app's network, under the app's lock; with the last one of the node also what the node's networks share. The kernel
 * takes the veth pair away a moment later, once the last process inside has ended; host route and proxy-neighbour entry
 * are gone on return.
 */
export async function removeAppNetwork(paths: Paths, app: string, plan: NetworkPlan): Promise<void> {
  const recorded = madeOf(paths, app, 'network');
  const networks = recorded.length > 0 || plan.mode === 'none' ? recorded : [networkOf(plan, undefined)];
  for (const network of networks) removeNetwork(paths, app, network, recorded.length > 0);
  forgetMade(paths, app, ...recorded);
  await releaseBase(paths);
}

/** Takes the kernel objects of one record away. `recorded`: a link without an alias is then ours, left half-made. */
export function removeNetwork(paths: Paths, app: string, network: MadeOf<'network'>, recorded: boolean): void {
  const native = networkAddon();
  const link = native.readLink(network.link);
  const isOurs = link !== undefined && (link.alias === linkAlias(paths, app) || (recorded && link.alias === ''));
  const uplink = network.uplink === undefined ? undefined : native.readLink(network.uplink);
  if (isOurs || uplink !== undefined)
    native.disconnectHost(isOurs ? link.index : 0, network.address, uplink?.index ?? 0);
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

function requireRouted(plan: NetworkPlan): RoutedPlan {
  if (plan.mode === 'routed') return plan;
  throw new TypeError('makeAppNetwork: the plan has no network');
}

function networkOf(plan: RoutedPlan, uplink: Uplink | undefined): MadeOf<'network'> {
  const netns = join(NETNS_DIRECTORY, plan.netns);
  const network = { kind: 'network', netns, link: plan.hostLink, address: plan.address } as const;
  return uplink === undefined ? network : { ...network, uplink: uplink.name };
}

/** The network on record if it is as wanted. One that differs is removed, unless daemons still use it. */
async function knownNetwork(
  paths: Paths,
  app: string,
  plan: RoutedPlan,
  wanted: MadeOf<'network'>,
): Promise<MadeOf<'network'> | undefined> {
  const known = madeOf(paths, app, 'network');
  const [first, ...more] = known;
  if (first === undefined) return undefined;
  const same = first.address === wanted.address && first.uplink === wanted.uplink && first.link === wanted.link;
  if (same && more.length === 0) return first;
  // The caller's own daemon is one of them: it holds its lock.
  if (livingDaemons(paths, app).length > 1) {
    throw new MetactlError(`the network of ${app} is in use with the address ${first.address}, not ${wanted.address}`, {
      code: 'METACTL_ADDRESS_CHANGED',
      step: 'make the network',
      path: first.netns,
      hint: `stop all daemons of ${app} first: address and uplink change only then`,
    });
  }
  await removeAppNetwork(paths, app, plan);
  return undefined;
}

/** The link's name, or the namespace's, may belong to somebody else: a hash that collides, an administrator's own. */
function requireOwnLink(
  paths: Paths,
  app: string,
  wanted: MadeOf<'network'>,
  known: MadeOf<'network'> | undefined,
): void {
  const alias = linkAlias(paths, app);
  const link = networkAddon().readLink(wanted.link);
  if (link !== undefined && link.alias !== alias && !(link.alias === '' && known !== undefined)) {
    throw new MetactlError(`the link ${wanted.link} is there already and is not ${app}'s`, {
      code: 'METACTL_LINK_TAKEN',
      step: 'make the network',
      path: wanted.link,
      hint: `its alias is \`${link.alias}\`, not \`${alias}\`: rename that link, or the app`,
    });
  }
  if (known !== undefined || link !== undefined) return;
  const netns = networkAddon().openNetns(wanted.netns);
  if (netns === undefined) return;
  closeSync(netns);
  throw new MetactlError(`the network namespace ${wanted.netns} is there already and is not on ${app}'s record`, {
    code: 'METACTL_NETNS_TAKEN',
    step: 'make the network',
    path: wanted.netns,
    hint: '`ip netns pids` shows who is in it; `ip netns delete` removes it',
  });
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

/** `meanwhile` runs while the kernel makes the namespace. */
function makeInside(wanted: MadeOf<'network'>, meanwhile: () => void): number {
  const pending = networkAddon().startNetwork(wanted.netns, wanted.link, wanted.address);
  let failed = true;
  try {
    meanwhile();
    failed = false;
  } finally {
    // Waited for also then, or it would be made behind the back of those who clear up.
    if (failed) abandon(pending);
  }
  return networkAddon().finishNetwork(pending);
}

function abandon(pending: PendingNetwork): void {
  try {
    closeSync(networkAddon().finishNetwork(pending));
  } catch {
    // What failed first is told.
  }
}

/** The pinned namespace with everything in it. The link's name may be that of a pair which the kernel is taking away. */
async function ensureInside(
  paths: Paths,
  app: string,
  wanted: MadeOf<'network'>,
  known: MadeOf<'network'> | undefined,
  meanwhile: () => void,
): Promise<number> {
  const native = networkAddon();
  let fresh = known === undefined;
  const deadline = Date.now() + NAME_PATIENCE;
  for (;;) {
    await makePlace(wanted.netns);
    const netns = fresh ? undefined : native.openNetns(wanted.netns);
    try {
      if (netns === undefined) return makeInside(wanted, meanwhile);
      native.repairNetwork(netns, wanted.link, wanted.address);
      return netns;
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
function dropStaleLink(paths: Paths, app: string, wanted: MadeOf<'network'>, cause: unknown): void {
  const link = networkAddon().readLink(wanted.link);
  if (link === undefined) return;
  if (link.alias === linkAlias(paths, app) && livingDaemons(paths, app).length <= 1) {
    networkAddon().deleteLink(link.index);
    return;
  }
  throw new MetactlError(`the link ${wanted.link} is still in use`, {
    code: 'METACTL_LINK_TAKEN',
    step: 'make the network',
    path: wanted.link,
    cause,
    hint: `its other end is in a network namespace that lost its name: stop all daemons of ${app}, then start again`,
  });
}

/** The host's side: link, route and entry; last the news to the network. */
function connect(paths: Paths, app: string, wanted: MadeOf<'network'>, uplink: Uplink | undefined): void {
  try {
    const isNew = networkAddon().connectHost(wanted.link, linkAlias(paths, app), wanted.address, uplink?.index ?? 0);
    if (uplink !== undefined && isNew) announce(uplink, wanted.address);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'EEXIST') throw inUseError(wanted, error);
    throw code === 'ENODEV' ? goneError(wanted, error) : error;
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

function goneError(wanted: MadeOf<'network'>, cause: unknown): MetactlError {
  return new MetactlError(`the link ${wanted.link} went away while it was being made`, {
    code: 'ENODEV',
    step: 'make the network',
    path: wanted.link,
    cause,
    hint: 'something else on this machine removes links: look at its log',
  });
}

function inUseError(wanted: MadeOf<'network'>, cause: unknown): MetactlError {
  return new MetactlError(`the address ${wanted.address} is routed elsewhere already`, {
    code: 'METACTL_ADDRESS_IN_USE',
    step: 'make the network',
    path: wanted.address,
    cause,
    hint: `\`ip route get fibmatch ${wanted.address}\` shows to whom; give the app another address by [sandbox.net] ip`,
  });
}
