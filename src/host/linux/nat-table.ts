import { formatRange } from '../../util/ip.ts';
import type { Paths } from '../../util/paths.ts';
import type { PublishedPort } from '../../util/publish.ts';
import { LINK_PREFIX, tableName } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { isWhole, loadTable, putTablePart, readAllChains } from './nft.ts';
import type { Expression, Field, NftChain, NftElement, NftMembers, NftSet, NftTable } from './nft-types.ts';
import { defaultPool } from './pool.ts';

/*
 * The node's nat table: what apps behind the host's address and published ports need. It is apart from the base table
 * because connection tracking comes with it, which a node with routed apps only should not pay for.
 */

/** `metactl-nat`, `metactl-ab12-nat` under a moved root. Pure. */
export function natTableName(paths: Paths): string {
  return `${tableName(paths)}-nat`;
}

const RAW = -300;
const DSTNAT = -100;
const FILTER = 0;
const SRCNAT = 100;
const LINKS = `${LINK_PREFIX}*`;

/** Ports of all addresses of the host, and of single ones; by family. */
const PORTS = { ip: 'ports4', ip6: 'ports6' } as const;
const PORTS_AT = { ip: 'ports4-at', ip6: 'ports6-at' } as const;
const HAIRPINS = { ip: 'hairpins4', ip6: 'hairpins6' } as const;
const ADDRESS = { ip: 'ipv4_addr', ip6: 'ipv6_addr' } as const;
type Family = keyof typeof ADDRESS;
const FAMILIES: readonly Family[] = ['ip', 'ip6'];

function setsOf(family: Family): NftSet[] {
  const address = ADDRESS[family];
  return [
    { name: PORTS[family], key: ['inet_proto', 'inet_service'], data: [address, 'inet_service'] },
    { name: PORTS_AT[family], key: [address, 'inet_proto', 'inet_service'], data: [address, 'inet_service'] },
    { name: HAIRPINS[family], key: [address, address] },
  ];
}

/** Where packets to a port of the host go, if it is published. */
function redirections(family: Family): Expression[][] {
  const at: readonly Field[] = [`${family} daddr`, 'meta l4proto', 'th dport'];
  const anywhere: readonly Field[] = ['meta l4proto', 'th dport'];
  const to = (fields: readonly Field[], map: string): Expression => ({
    kind: 'dnat',
    family,
    to: { fields, map, withPort: true },
  });
  return [
    [{ kind: 'local-destination' }, to(at, PORTS_AT[family])],
    [familyOf(family), { kind: 'local-destination' }, to(anywhere, PORTS[family])],
  ];
}

function familyOf(family: Family): Expression {
  return { kind: family === 'ip' ? 'ipv4' : 'ipv6' };
}

/**
 * The table without any port. Pure.
 *
 * - What comes by wire for 127.0.0.0/8 is forged (CVE-2020-8558): without that rule a neighbour could reach what is
 *   published on 127.0.0.1 only, and an app the host's own services, since its link may carry such addresses.
 * - Apps behind the host's address get what they asked for and what is published, nothing else from outside.
 * - An app that reaches itself by the host's address must see the host as its peer, or it would answer itself; and what
 *   the host sends from 127.0.0.1 must get an address that can be answered.
 */
export function natTable(paths: Paths): NftTable {
  const pool = formatRange(defaultPool(paths.nodeId));
  const toApps: Expression = { kind: 'address', field: 'ip daddr', is: pool };
  const fromOutside: Expression = { kind: 'iifname', is: false, name: LINKS };
  const masquerade: Expression = { kind: 'masquerade' };
  const loopback: Expression = { kind: 'address', field: 'ip6 daddr', is: '::1' };
  const forged: Expression[] = [
    { kind: 'iifname', is: false, name: 'lo' },
    { kind: 'address', field: 'ip daddr', is: '127.0.0.0/8' },
    { kind: 'drop' },
  ];
  const chain = (name: string, base: NftChain['base'], ...rules: Expression[][]): NftChain => ({
    name,
    ...(base === undefined ? {} : { base }),
    rules,
  });
  return {
    name: natTableName(paths),
    sets: FAMILIES.flatMap(setsOf),
    chains: [
      chain(
        'inbound',
        undefined,
        [{ kind: 'ct-state', states: ['established', 'related'] }, { kind: 'accept' }],
        [{ kind: 'ct-status', status: 'dnat' }, { kind: 'accept' }],
        [{ kind: 'drop' }],
      ),
      chain('forged-loopback', { hook: 'prerouting', priority: RAW }, forged),
      chain('forward', { hook: 'forward', priority: FILTER }, [
        fromOutside,
        toApps,
        { kind: 'jump', chain: 'inbound' },
      ]),
      chain('published', { type: 'nat', hook: 'prerouting', priority: DSTNAT }, ...FAMILIES.flatMap(redirections)),
      // ::1 has no way out of lo and back.
      chain(
        'published-here',
        { type: 'nat', hook: 'output', priority: DSTNAT },
        [loopback, { kind: 'return' }],
        ...FAMILIES.flatMap(redirections),
      ),
      chain(
        'outbound',
        { type: 'nat', hook: 'postrouting', priority: SRCNAT },
        ...FAMILIES.map((family): Expression[] => [
          { kind: 'in', fields: [`${family} saddr`, `${family} daddr`], set: HAIRPINS[family] },
          masquerade,
        ]),
        [
          { kind: 'oifname', is: true, name: LINKS },
          { kind: 'address', field: 'ip saddr', is: '127.0.0.0/8' },
          masquerade,
        ],
        [{ kind: 'address', field: 'ip saddr', is: pool }, { kind: 'oifname', is: false, name: LINKS }, masquerade],
      ),
    ],
  };
}

/**
 * What of the table is one app's: an element per port and family, and an empty chain per port that tells every root's
 * metactl whose it is. Pure.
 */
export function publishPart(
  table: string,
  app: string,
  { address, address6 }: { readonly address: string; readonly address6?: string },
  ports: readonly PublishedPort[],
): NftTable {
  const members = FAMILIES.flatMap((family): NftMembers[] => {
    const to = family === 'ip' ? address : address6;
    if (to === undefined) return [];
    const [anywhere, at, hairpins] = setsOf(family) as [NftSet, NftSet, NftSet];
    const element = (port: PublishedPort): NftElement => ({
      key: [...(port.host === undefined ? [] : [port.host]), port.protocol, String(port.hostPort)],
      data: [to, String(port.port)],
    });
    const single = ports.filter(({ host }) => host !== undefined && host.includes(':') === (family === 'ip6'));
    return [
      { set: anywhere, elements: ports.filter(({ host }) => host === undefined).map(element) },
      { set: at, elements: single.map(element) },
      { set: hairpins, elements: [{ key: [to, to] }] },
    ].filter(({ elements }) => elements.length > 0);
  });
  return { name: table, chains: ports.map((port) => ({ name: portChain(app, port), rules: [] })), elements: members };
}

/** A port that an app of some root publishes. */
export interface PortClaim {
  readonly table: string;
  readonly app: string;
  readonly port: PublishedPort;
}

/** `port-tcp-8080-any-web`; colons of an IPv6 address become `_`, for nft knows no colons in names. Pure. */
export function portChain(app: string, { protocol, host = 'any', hostPort }: PublishedPort): string {
  return `port-${protocol}-${hostPort}-${host.replaceAll(':', '_')}-${app}`;
}

/** Pure. @returns undefined for a chain that claims no port. */
export function parsePortChain(table: string, chain: string): PortClaim | undefined {
  const match = /^port-(tcp|udp)-(\d+)-([\da-f._]+|any)-([a-z][a-z0-9-]*)$/.exec(chain);
  if (match === null || !/^metactl(-[0-9a-f]{4})?-nat$/.test(table)) return undefined;
  const [, protocol, hostPort, host = '', app = ''] = match;
  const where = host === 'any' ? {} : { host: host.replaceAll('_', ':') };
  return { table, app, port: { protocol: protocol as 'tcp' | 'udp', hostPort: Number(hostPort), port: 0, ...where } };
}

export function readPortClaims(): PortClaim[] {
  return readAllChains().flatMap(({ table, chain }) => parsePortChain(table, chain) ?? []);
}

export function hasNatTable(paths: Paths): boolean {
  return networkAddon().hasNftTable(natTableName(paths));
}

/** Whether all that the apps have in common is there. */
export function isNatWhole(paths: Paths): boolean {
  return isWhole(natTable(paths));
}

/**
 * Makes the table, or what is missing of it; published ports that are in it stay.
 * @throws MetactlError METACTL_NO_NFT, METACTL_NFT
 */
export function ensureNatTable(paths: Paths): void {
  const table = natTable(paths);
  if (isWhole(table)) return;
  if (!hasNatTable(paths)) {
    loadTable(table);
    return;
  }
  try {
    putTablePart('mend the nft table', { ...table, sets: (table.sets ?? []).map((set) => ({ ...set, shared: true })) });
  } catch {
    // Somebody's chains are in the place of its own: every app puts its ports back.
    loadTable(table);
  }
}
