import { closeSync, readFileSync } from 'node:fs';
import type { OwnNetwork } from '../../sandbox/plan.ts';
import { escapeText } from '../../util/escape.ts';
import type { AppRequest } from '../host.ts';
import { watchConflicts } from './conflict-watch.ts';
import type { BaseNeed } from './forwarding.ts';
import { withAppLock } from './lock.ts';
import { lookRegularly } from './look-round.ts';
import { hasNatTable, isNatWhole, natTableName } from './nat-table.ts';
import { connectionOf, makeAppNetwork, needOf, networkOf } from './network.ts';
import { linkAlias, tableName } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { changedIpv6Sysctls, ensureBase, isBaseWhole, routerChange } from './network-node.ts';
import { isPublished } from './publish.ts';
import { RepairPace } from './repair-pace.ts';
import { type HeardEvents, onRouteEvents } from './route-watch.ts';
import { readSysctl } from './sysctl.ts';

/** Whoever flushes a device takes away several things, one after the other. */
const SETTLE = 20;
/** Of so many looks one is at the sysctls of IPv6. */
const IPV6_LOOKS = 4;

type OwnRequest = AppRequest & { readonly network: OwnNetwork; readonly onWarning: (text: string) => void };

/**
 * Watches an app's network while it is held: puts back what others take away, follows the default route for apps
 * behind the host's address, and tells of other machines with the app's addresses. It does not keep the process alive.
 * @returns a function that ends it.
 */
export function watchNetwork(request: AppRequest): () => void {
  const { network, onWarning } = request;
  if (onWarning === undefined || (network.mode !== 'routed' && network.mode !== 'nat')) return () => {};
  const own: OwnRequest = { ...request, network, onWarning };
  const watch = new NetworkWatch(own);
  const stopConflicts = watchAddresses(own);
  return () => {
    watch.close();
    stopConflicts();
  };
}

/** Only addresses on the uplink's network can be claimed by another machine there. */
function watchAddresses({ paths, node, app, network, onWarning }: OwnRequest): () => void {
  const { uplink } = needOf(paths, node, network);
  if (uplink === undefined) return () => {};
  const { proxied } = connectionOf(networkOf(network, uplink), uplink.index);
  const stops = proxied.map((address) =>
    watchConflicts(uplink, address, (hardware) => {
      onWarning(`${hardware} on ${uplink.name} claims ${address}, the address of ${app}: two machines can't have it`);
    }),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

class NetworkWatch {
  readonly #request: OwnRequest;
  readonly #pace = new RepairPace();
  readonly #stops: readonly (() => void)[];
  #looks = 0;
  #need: BaseNeed;
  #settle: NodeJS.Timeout | undefined;
  /** Who removed a route last, as text. */
  #culprit: string | undefined;
  #busy = false;
  #closed = false;

  constructor(request: OwnRequest) {
    this.#request = request;
    this.#need = needOf(request.paths, request.node, request.network);
    // The kernel tells of removed routes and links, but not of proxy entries, nft tables and sysctls: these are looked at.
    this.#stops = [onRouteEvents((events) => this.#hear(events)), lookRegularly(() => this.#check())];
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    clearTimeout(this.#settle);
  }

  #hear({ removed, links, defaultRoute, lost }: HeardEvents): void {
    const { address, address6, hostLink } = this.#request.network;
    const own = removed.find((route) => route.address === address || route.address === address6);
    if (own !== undefined) this.#culprit = nameOf(own.port);
    const touched = links.some((name) => name === hostLink || name === this.#need.uplink?.name);
    // With no uplink any link may become one.
    const hoped = this.#need.uplink === undefined && links.length > 0;
    if (own === undefined && !touched && !hoped && !defaultRoute && !lost) return;
    this.#settle ??= setTimeout(() => {
      this.#settle = undefined;
      this.#lookForUplink();
      this.#check();
    }, SETTLE).unref();
  }

  /** The default route may have moved. Without one, the last uplink is as good as none. */
  #lookForUplink(): void {
    const { paths, node, network } = this.#request;
    try {
      const need = needOf(paths, node, network);
      if (need.uplink !== undefined) this.#need = need;
    } catch {
      // The uplink is gone: what is missing can't be put back until it returns.
    }
  }

  #check(): void {
    if (this.#closed || this.#busy || !this.#pace.ready(Date.now())) return;
    let missing: string[];
    let change: 'on' | 'off' | undefined;
    try {
      missing = this.#missing();
      change = missing.length === 1 ? routerChange(this.#request.paths) : undefined;
    } catch (error) {
      missing = [`what can't be looked at (${(error as Error).message})`];
    }
    if (change !== undefined) void this.#follow(change);
    else if (missing.length > 0) void this.#putBack(missing);
  }

  #missing(): string[] {
    const { paths, app, network } = this.#request;
    const native = networkAddon();
    const link = native.readLink(network.hostLink);
    if (link === undefined || link.alias !== linkAlias(paths, app)) return [`the link ${network.hostLink}`];
    const name = this.#need.uplink?.name;
    const uplink = name === undefined ? undefined : native.readLink(name);
    const own = networkOf(network, this.#need.uplink);
    const connection = connectionOf(own, uplink?.index ?? 0);
    const missing = native
      .missingParts(link.index, connection)
      .map(({ kind, at }) =>
        kind === 'route'
          ? `the route to ${connection.addresses[at]}`
          : `the proxy entry of ${connection.proxied[at]} on ${name}`,
      );
    missing.push(...this.#missingRules());
    if (hasNatTable(paths) && !isPublished(paths, app, own)) missing.push(`the published ports ${own.publish}`);
    if (uplink !== undefined && !uplink.forwarding) missing.push(`the forwarding of ${name}`);
    if (!link.forwarding) missing.push(`the forwarding of ${network.hostLink}`);
    if (!link.strict) missing.push(`the rp_filter of ${network.hostLink}`);
    if (network.address6 !== undefined) missing.push(...this.#missingIpv6());
    return missing;
  }

  /** Files, and those below /proc/sys/net are slow where there are many namespaces: not looked at each time. */
  #missingIpv6(): string[] {
    this.#looks = (this.#looks + 1) % IPV6_LOOKS;
    if (this.#looks !== 1) return [];
    const { paths, network } = this.#request;
    const hostEnd = `net/ipv6/conf/${network.hostLink}/force_forwarding`;
    return [...changedIpv6Sysctls(paths), ...(readSysctl(hostEnd) === '0' ? [hostEnd] : [])].map(
      (key) => `the sysctl ${key}`,
    );
  }

  #missingRules(): string[] {
    const { paths } = this.#request;
    const lost = (table: string) =>
      networkAddon().hasNftTable(table) ? `rules of the nft table ${table}` : `the nft table ${table}`;
    return [
      ...(isBaseWhole(paths) ? [] : [lost(tableName(paths))]),
      ...(!this.#need.nat || isNatWhole(paths) ? [] : [lost(natTableName(paths))]),
    ];
  }

  /** Nobody took anything: others forward by the uplink too from now on, or don't any more. */
  async #follow(change: 'on' | 'off'): Promise<void> {
    const { paths, onWarning } = this.#request;
    this.#busy = true;
    try {
      await ensureBase(paths, this.#need);
      onWarning(routerText(change, this.#need.uplink?.name ?? 'the uplink'));
    } catch (error) {
      onWarning(`can't load the rules for forwarded packets anew: ${(error as Error).message}`);
      this.#pace.note(Date.now());
    } finally {
      this.#busy = false;
    }
  }

  async #putBack(missing: readonly string[]): Promise<void> {
    const { paths, node, app, network, onWarning } = this.#request;
    this.#busy = true;
    const culprit = this.#culprit === undefined ? '' : ` (the last by ${this.#culprit})`;
    this.#culprit = undefined;
    const pause = this.#pace.note(Date.now());
    try {
      await withAppLock(paths, app, async () => {
        if (!this.#closed) closeSync((await makeAppNetwork(paths, node, app, network)).netns);
      });
      if (!this.#closed)
        onWarning(`put back what somebody took from the network of ${app}: ${missing.join(', ')}${culprit}`);
    } catch (error) {
      if (!this.#closed) onWarning(`can't put back ${missing.join(', ')} for ${app}: ${(error as Error).message}`);
    } finally {
      this.#busy = false;
    }
    if (pause > 0 && !this.#closed) onWarning(fightText(app, network.hostLink, pause));
  }
}

function routerText(change: 'on' | 'off', uplink: string): string {
  return change === 'on'
    ? `somebody has switched on forwarding for the whole machine: metactl no longer keeps what comes by ${uplink} from going elsewhere than to apps`
    : `forwarding for the whole machine is off again: what comes by ${uplink} goes to apps only`;
}

function fightText(app: string, link: string, pause: number): string {
  return (
    `something on this machine keeps changing the network of ${app}: next look in ${pause / 1000} s; ` +
    `tell it to leave ${link} and its routes alone (NetworkManager: unmanaged-devices=interface-name:mt-*)`
  );
}

/** A socket's port is its process's pid by custom only, so this is a hint. */
function nameOf(port: number): string | undefined {
  if (port === 0) return undefined;
  try {
    return `${escapeText(readFileSync(`/proc/${port}/comm`, 'utf8').trim())}, pid ${port}`;
  } catch {
    return `pid ${port}`;
  }
}
