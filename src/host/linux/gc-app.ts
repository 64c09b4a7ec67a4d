import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { objectName, type Paths } from '../../util/paths.ts';
import type { GcItem } from '../gc-item.ts';
import { removeFirewall } from './app-firewall.ts';
import { findAppCgroups, removeAppCgroups, removeDaemonCgroup } from './cgroup/index.ts';
import { liveDaemons } from './live.ts';
import { hostLinkName, NETNS_DIRECTORY, removeNetwork, unpinNetns } from './network.ts';
import { retiredLinkName } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { removeNotifySocket } from './notify-socket.ts';
import { endPredecessor } from './predecessor.ts';
import { forgetMade, type MadeOf, madeOf } from './record.ts';
import { type LinkEntry, withRtNetlink } from './rtnetlink.ts';
import { removeTemporary } from './temporary.ts';
import { pinPath, removeUserNamespace } from './user-namespace.ts';

/** Something left behind, and how to take it away. */
export interface Finding {
  readonly item: GcItem;
  readonly remove: () => unknown;
}

/**
 * What is left of an app none of whose daemons lives. Under the app's lock. In order of removal: processes first, for
 * they hold all the rest. `links`: those that carry the app's name.
 */
export function findAppGarbage(paths: Paths, app: string, links: readonly LinkEntry[]): Finding[] {
  const networks = madeOf(paths, app, 'network');
  const recorded = new Set(networks.map((network) => network.link));
  return [
    ...liveDaemons(paths, app).map((daemon) => sandboxFinding(paths, app, daemon)),
    ...cgroupFindings(paths, app),
    ...networks.map((network) => networkFinding(paths, app, network)),
    ...madeOf(paths, app, 'firewall').map(({ chain }) => ({
      item: { app, kind: 'firewall', name: chain } as const,
      remove: () => removeFirewall(paths, app),
    })),
    ...links.filter((link) => !recorded.has(link.name)).map((link) => linkFinding(paths, app, link)),
    ...temporaryFindings(paths, app),
    ...userNamespaceFindings(paths, app),
    ...fileFindings(paths, app, () => true),
    ...notifyFindings(paths, app, () => true),
  ];
}

/** What the dead daemons of an app left while others of it live: their own objects, nothing shared. Under the app's lock. */
export function findDaemonGarbage(paths: Paths, app: string, living: readonly string[]): Finding[] {
  const isDead = (daemon: string) => !living.includes(daemon);
  const cgroups = findAppCgroups(paths, app);
  return [
    ...liveDaemons(paths, app)
      .filter(isDead)
      .map((daemon) => sandboxFinding(paths, app, daemon)),
    ...(cgroups?.daemons ?? []).filter(isDead).map((daemon): Finding => {
      const remove = () => removeDaemonCgroup(paths, app, daemon);
      return { item: { app, kind: 'cgroup', name: `${app}/${daemon}` }, remove };
    }),
    ...fileFindings(paths, app, isDead),
    ...notifyFindings(paths, app, isDead),
  ];
}

/** Notify sockets of daemons without a sandbox, which have a directory of their own. */
function notifyFindings(paths: Paths, app: string, isDead: (daemon: string) => boolean): Finding[] {
  return notifySocketsOf(paths)
    .filter((one) => one.app === app && isDead(one.daemon))
    .map(({ path }) => ({
      item: { app, kind: 'file', name: path } as const,
      remove: () => removeNotifySocket(path, paths),
    }));
}

/** All in the directory of notify sockets of daemons without a sandbox. */
export function notifySocketsOf({ notifyDirectory }: Paths): { app: string; daemon: string; path: string }[] {
  if (lstatSync(notifyDirectory, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(notifyDirectory).flatMap((name) => {
    const [, app, daemon] = /^([a-z][a-z0-9-]*)\.([a-z][a-z0-9-]*)$/.exec(name) ?? [];
    return app === undefined || daemon === undefined ? [] : [{ app, daemon, path: join(notifyDirectory, name) }];
  });
}

function sandboxFinding(paths: Paths, app: string, daemon: string): Finding {
  return {
    item: { app, kind: 'sandbox', name: `${app}/${daemon}` },
    remove: () => endPredecessor(paths, app, daemon),
  };
}

/** All of them go in one step. */
function cgroupFindings(paths: Paths, app: string): Finding[] {
  const found = findAppCgroups(paths, app);
  let removal: Promise<unknown> | undefined;
  const remove = () => (removal ??= removeAppCgroups(paths, app));
  return (found?.paths ?? []).map((name) => ({ item: { app, kind: 'cgroup', name }, remove }));
}

function networkFinding(paths: Paths, app: string, network: MadeOf<'network'>): Finding {
  return {
    item: { app, kind: 'network', name: network.netns },
    async remove() {
      const link = networkAddon().readLink(network.link);
      await removeNetwork(paths, app, network, true);
      // Not left to the kernel: a stray process may keep the namespace, and with it the link, for ever.
      const retired = link === undefined ? undefined : networkAddon().readLink(retiredLinkName(link.index));
      if (retired !== undefined) networkAddon().deleteLink(retired.index);
      forgetMade(paths, app, network);
    },
  };
}

/** A link with the app's alias that is on no record: its routes go with it, proxy-neighbour entries of their addresses do not. */
function linkFinding(paths: Paths, app: string, link: LinkEntry): Finding {
  return {
    item: { app, kind: 'link', name: link.name },
    remove: () =>
      withRtNetlink(async (netlink) => {
        const routes = (await netlink.listHostRoutes()).filter((route) => route.link === link.index);
        const addresses = new Set(routes.map((route) => route.address));
        for (const entry of await netlink.listProxyNeighbours()) {
          if (addresses.has(entry.address)) await netlink.deleteProxyNeighbour(entry);
        }
        await netlink.deleteLink(link.index);
        if (link.name === hostLinkName(paths, app)) unpinNetns(join(NETNS_DIRECTORY, objectName(paths, app)));
      }),
  };
}

function temporaryFindings(paths: Paths, app: string): Finding[] {
  const path = join(paths.runApp(app), 'tmp');
  const mounts = madeOf(paths, app, 'mount').filter((mount) => mount.path === path);
  if (mounts.length === 0 && lstatSync(path, { throwIfNoEntry: false }) === undefined) return [];
  return [
    {
      item: { app, kind: 'mount', name: path },
      remove() {
        removeTemporary(paths, app);
        forgetMade(paths, app, ...mounts);
      },
    },
  ];
}

function userNamespaceFindings(paths: Paths, app: string): Finding[] {
  const path = pinPath(paths, app);
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (!isThere && madeOf(paths, app, 'ids').length === 0) return [];
  return [{ item: { app, kind: 'ids', name: path }, remove: () => removeUserNamespace(paths, app) }];
}

/** Files of daemons that a kill left. Others that wait for a daemon's lock do so under the app's lock, which is ours. */
function fileFindings(paths: Paths, app: string, isDead: (daemon: string) => boolean): Finding[] {
  const directory = paths.runApp(app);
  if (lstatSync(directory, { throwIfNoEntry: false }) === undefined) return [];
  const names = readdirSync(directory);
  return names.flatMap((name) => {
    const [, daemon, kind] = /^([a-z][a-z0-9-]*)\.(lock|sock|json\.new|entry\.new|entry|notify)$/.exec(name) ?? [];
    if (daemon === undefined || !isDead(daemon)) return [];
    // It goes with the live state.
    if (kind === 'entry' && names.includes(`${daemon}.json`)) return [];
    const path = join(directory, name);
    return { item: { app, kind: 'file', name: path }, remove: () => rmSync(path, { force: true }) };
  });
}
