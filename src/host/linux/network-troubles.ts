import { networkInterfaces } from 'node:os';
import type { NodeConfig } from '../../config/types.ts';
import type { Paths } from '../../util/paths.ts';
import { formatPublish, type PublishedPort } from '../../util/publish.ts';
import type { AppRequest } from '../host.ts';
import type { NetworkTrouble } from '../network-trouble.ts';
import { readFirewallTroubles } from './firewall/warn.ts';
import { publishedPorts } from './publish.ts';
import { madeOf } from './record.ts';

/** What is in the way of an app's network now, with that network as it was made. */
export function readNetworkTroubles(
  node: NodeConfig,
  { address6, publish = [] }: { readonly address6?: string; readonly publish?: readonly PublishedPort[] },
): NetworkTrouble[] {
  return [
    ...readFirewallTroubles(node, { ipv6: address6 !== undefined, published: publish.length > 0 }),
    ...strangeAddresses(publish, ownAddresses()),
  ];
}

/** Tells whoever holds a running app's network of them. */
export function warnOfTroubles({ app, node, network, onWarning }: AppRequest): void {
  if (onWarning === undefined || !('hostLink' in network)) return;
  for (const { what, todo } of readNetworkTroubles(node, network)) {
    onWarning(`${app} runs, but ${what}. ${todo.slice(0, 1).toUpperCase()}${todo.slice(1)}`);
  }
}

/** The same for an app by its name; none where it has no network. */
export function networkTroubles(paths: Paths, node: NodeConfig, app: string): NetworkTrouble[] {
  const network = madeOf(paths, app, 'network')[0];
  if (network === undefined) return [];
  const { address6 } = network;
  return readNetworkTroubles(node, {
    ...(address6 === undefined ? {} : { address6 }),
    publish: publishedPorts(network),
  });
}

/** Nothing comes for an address that the host does not have: no error, since it may get it later (a cluster's). Pure. */
export function strangeAddresses(publish: readonly PublishedPort[], own: ReadonlySet<string>): NetworkTrouble[] {
  return publish.flatMap((port) => {
    const { host } = port;
    // All of 127.0.0.0/8 is the host's.
    if (host === undefined || host.startsWith('127.') || own.has(host)) return [];
    return [
      {
        id: 'publish-address',
        what: `nobody reaches it by ${formatPublish(port)}: this host does not have the address ${host}`,
        todo: 'give an interface that is up the address, or correct [sandbox.net] publish',
      },
    ];
  });
}

/** IPv6 in its canonical form, as the kernel and `publish` have it. */
function ownAddresses(): ReadonlySet<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []));
}
