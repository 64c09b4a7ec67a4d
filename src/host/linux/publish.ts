import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { clash, formatPublish, type PublishedPort, parsePublishList } from '../../util/publish.ts';
import { findListener } from './listeners.ts';
import { withMachineLock } from './machine-lock.ts';
import { hasNatTable, natTableName, type PortClaim, publishPart, readPortClaims } from './nat-table.ts';
import { hasPart, putTablePart, removeTablePart } from './nft.ts';
import type { MadeOf } from './record.ts';

type Network = MadeOf<'network'>;

/** The ports that a record names. Pure. */
export function publishedPorts({ publish }: Pick<Network, 'publish'>): readonly PublishedPort[] {
  return parsePublishList(publish?.split(' ') ?? []) ?? [];
}

/**
 * Leads the network's published ports to the app; the nat table must be there. Repeatable. `fresh`: it is new, so no program of
 * the host may have one of them either.
 * @throws MetactlError METACTL_PORT_IN_USE (78) where another app, of whatever root, or a program of the host has one.
 */
export async function publish(paths: Paths, app: string, network: Network, fresh: boolean): Promise<void> {
  const ports = publishedPorts(network);
  if (ports.length === 0) return;
  await withMachineLock(false, async () => {
    const table = natTableName(paths);
    const claims = readPortClaims();
    const others = claims.filter((claim) => claim.table !== table || claim.app !== app);
    for (const port of ports) {
      const other = others.find((claim) => clash(claim.port, port));
      if (other !== undefined) throw takenByApp(app, port, other, table);
      const listener = fresh ? findListener(port) : undefined;
      if (listener !== undefined) throw takenByHost(app, port, listener);
    }
    putTablePart('publish ports', publishPart(table, app, network, ports));
  });
}

/** Whether what leads the network's published ports to the app is all there. */
export function isPublished(paths: Paths, app: string, network: Network): boolean {
  const ports = publishedPorts(network);
  return ports.length === 0 || hasPart(publishPart(natTableName(paths), app, network, ports));
}

/** Takes the app's ports back, whatever they are: what others have meanwhile stays theirs. */
export async function unpublish(paths: Paths, app: string, network: Network): Promise<void> {
  if (publishedPorts(network).length === 0 || !hasNatTable(paths)) return;
  await withMachineLock(false, async () => {
    const table = natTableName(paths);
    const own = readPortClaims().filter((claim) => claim.table === table && claim.app === app);
    const ports = publishedPorts(network).filter((port) => own.some((claim) => isSamePlace(claim.port, port)));
    if (ports.length > 0) removeTablePart('take published ports back', publishPart(table, app, network, ports));
  });
}

function isSamePlace(a: PublishedPort, b: PublishedPort): boolean {
  return a.protocol === b.protocol && a.hostPort === b.hostPort && a.host === b.host;
}

function takenByApp(app: string, port: PublishedPort, { app: other, table }: PortClaim, own: string): MetactlError {
  const gc = '\u0060metactl gc\u0060 frees what a killed supervisor left';
  if (table === own)
    return inUse(app, port, `the app ${other} publishes it`, `stop ${other} first, or publish another port; ${gc}`);
  const root = /-([0-9a-f]{4})-nat$/.exec(table)?.[1];
  const where = root === undefined ? 'of the root /' : `of another root, whose objects are named metactl-${root}-…,`;
  const command = root === undefined ? 'METACTL_ROOT=/' : 'METACTL_ROOT set to it';
  return inUse(
    app,
    port,
    `the app ${other} ${where} publishes it`,
    `publish another port, or stop the other ${other} (metactl with ${command}); there, ${gc}`,
  );
}

function takenByHost(app: string, port: PublishedPort, listener: string): MetactlError {
  return inUse(app, port, `${listener} listens on it`, 'stop it, or publish another port');
}

function inUse(app: string, port: PublishedPort, why: string, hint: string): MetactlError {
  return new MetactlError(`${app} can't publish ${formatPublish(port)}: ${why}`, {
    code: 'METACTL_PORT_IN_USE',
    step: 'publish ports',
    path: formatPublish(port),
    hint,
    exitStatus: EXIT.configuration,
  });
}
