import type { FirewallPlan } from '../../sandbox/plan.ts';
import { destinationBoxes, resolverEntries } from '../../util/destinations.ts';
import { MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { tableName } from './network-name.ts';
import { formatValue } from './nft-data.ts';
import { partText } from './nft-text.ts';
import type { DataType, Expression, Field, NftElement, NftRule, NftSet, NftTable } from './nft-types.ts';

/*
 * The node's table of firewalls: what `[firewall.out]` needs. It is apart from the base table because connection tracking
 * comes with it, which a node without firewalls should not pay for. A packet's link leads by one look-up to its app's
 * chain, however many apps there are. Pure.
 */

/** `metactl-out`, `metactl-ab12-out` under a moved root. */
export function firewallTableName(paths: Paths): string {
  return `${tableName(paths)}-out`;
}

/** The chain of an app; apps' names cannot make it that of a hook. */
export function firewallChain(app: string): string {
  return `app-${app}`;
}

/** An empty chain that tells how the table is made: one of another version is made anew, see `ensureFirewall`. */
export const SHAPE = 'shape-2';

const FILTER = 0;
/** Links to the chains of their apps. */
const LINKS: NftSet = { name: 'links', key: ['ifname'], data: 'verdict', shared: true };
/** Protocols with ports where TCP has them. */
const PORTED: NftSet = {
  name: 'ported',
  key: ['inet_proto'],
  elements: [{ key: ['tcp'] }, { key: ['udp'] }, { key: ['sctp'] }],
};
/** Without these there is no IPv6 on a link: neighbour discovery, and the groups that it needs (RFC 4861, 2710, 3810). */
const NEIGHBOUR: NftSet = {
  name: 'neighbour',
  key: ['icmpv6_type'],
  elements: [131, 132, 133, 135, 136, 143].map((type) => ({ key: [String(type)] })),
};
const HOOKS = ['forward', 'input'] as const;
const accept: Expression = { kind: 'accept' };

/** Destinations that were refused last are remembered so long, in seconds, and so many of each family at most. */
export const REFUSED = { timeout: 900, size: 32_768 } as const;
/** An app's share: new ones are remembered only so fast, some 500 in that time. It takes a crowd of apps to hide another's. */
const SHARE = { perMinute: 30, burst: 64 } as const;

const FAMILIES = ['4', '6'] as const;
type Family = (typeof FAMILIES)[number];
const ADDRESS = { '4': 'ipv4_addr', '6': 'ipv6_addr' } as const;
const DESTINATION: Readonly<Record<Family, readonly [Field, Field, Field]>> = {
  '4': ['ip daddr', 'meta l4proto', 'th dport'],
  '6': ['ip6 daddr', 'meta l4proto', 'th dport'],
};

/** Links and where they were refused to go; one set for all apps, see `COMMON`. What has no ports is in sets of its own. */
const REFUSED_SETS: Readonly<Record<Family, NftSet>> = { '4': refusedSet('4'), '6': refusedSet('6') };
const PORTLESS_SETS: Readonly<Record<Family, NftSet>> = { '4': portlessSet('4'), '6': portlessSet('6') };
/** Links that were refused something new, each with the limit of its share. */
const SHARES: NftSet = { name: 'shares', key: ['ifname'], dynamic: REFUSED };

/**
 * What every packet of a hook meets. What apps have in common is here and in `seen`, not in their chains: whenever one app's
 * part changes, the kernel looks through the chains of all of them, so these are as short as can be.
 */
const COMMON: readonly NftRule[] = [
  // Answers, and what goes on since before an address left the sets.
  [{ kind: 'ct-state', states: ['established', 'related'] }, accept],
  [{ kind: 'in', fields: ['icmpv6 type'], set: NEIGHBOUR.name }, accept],
  [{ kind: 'vmap', fields: ['iifname'], map: LINKS.name }],
];
/** Remembers what was refused. */
const SEEN = 'seen';
const SEEN_RULES: readonly NftRule[] = FAMILIES.flatMap((family) => {
  const [address, protocol, port] = DESTINATION[family];
  return [
    ...remember(REFUSED_SETS[family], ['iifname', address, protocol, port], false),
    ...remember(PORTLESS_SETS[family], ['iifname', address, protocol], true),
  ];
});

/**
 * What is known is counted; what is new is put into the set as long as the link has something left of its share. What is known
 * has a set of its own, without counters: a look-up counts too, since some kernel.
 */
function remember({ name: set }: NftSet, fields: readonly Field[], portless: boolean): NftRule[] {
  const known = knownName(set);
  const ported: Expression = {
    kind: 'in',
    fields: ['meta l4proto'],
    set: PORTED.name,
    ...(portless ? { not: true } : {}),
  };
  return [
    [ported, { kind: 'in', fields, set: known }, { kind: 'update', set, fields }, { kind: 'return' }],
    [
      ported,
      { kind: 'limited', set: SHARES.name, fields: ['iifname'], ...SHARE },
      { kind: 'update', set: known, fields, plain: true },
      { kind: 'update', set, fields },
    ],
  ];
}

function knownName(set: string): string {
  return `known-${set}`;
}

/** The table without any app. `input` is for what apps send to this host itself. */
export function firewallTable(name: string): NftTable {
  const hooks = HOOKS.map((hook) => ({ name: hook, base: { hook, priority: FILTER }, rules: COMMON }));
  return {
    name,
    sets: [
      LINKS,
      PORTED,
      NEIGHBOUR,
      SHARES,
      ...FAMILIES.flatMap((family) => [REFUSED_SETS[family], PORTLESS_SETS[family]]).flatMap((set) => [
        set,
        { ...set, name: knownName(set.name) },
      ]),
    ],
    chains: [{ name: SHAPE, rules: [] }, { name: SEEN, rules: SEEN_RULES }, ...hooks],
  };
}

/** The chains that let packets through or not, with the number of rules in each. */
export const WHOLE: ReadonlyMap<string, number> = new Map([
  [SHAPE, 0],
  ...HOOKS.map((hook) => [hook, COMMON.length] as const),
]);

/** The chain that others jump to, with its number of rules: its uses are not that alone. */
export const LED_TO = { name: SEEN, rules: SEEN_RULES.length } as const;
/** Sets that never change. */
export const FIXED: readonly NftSet[] = [PORTED, NEIGHBOUR];
/** Chains and sets whose loss opens an app's firewall, or blinds it. */
export function partsOf(app: string): ReadonlySet<string> {
  const { accept: own } = firewallNames(app);
  return new Set([...WHOLE.keys(), SEEN, firewallChain(app), own['4'], own['6'], ...FIXED.map(({ name }) => name)]);
}

/** Names of an app's counter and sets, and of the sets of what was refused. */
export function firewallNames(app: string) {
  return {
    counter: `refused-${app}`,
    accept: { '4': `accept4-${app}`, '6': `accept6-${app}` },
    refused: {
      '4': [REFUSED_SETS['4'].name, PORTLESS_SETS['4'].name],
      '6': [REFUSED_SETS['6'].name, PORTLESS_SETS['6'].name],
    },
  } as const;
}

/** What of the table is one app's. @throws MetactlError METACTL_FIREWALL_TOO_LARGE */
export function firewallPart(table: string, app: string, link: string, plan: FirewallPlan): NftTable {
  const chain = firewallChain(app);
  return {
    name: table,
    counters: [firewallNames(app).counter],
    sets: acceptSets(app, plan),
    chains: [{ name: chain, rules: rulesOf(app, plan) }],
    elements: [{ set: LINKS, elements: [{ key: [link], data: { jump: chain } }] }],
  };
}

/** Of a part only the sets that change when names are resolved again. */
export function acceptPart({ name, sets = [] }: NftTable): NftTable {
  return { name, sets, chains: [] };
}

/** How many rules the app's chain has. */
export function ruleCount(app: string, plan: FirewallPlan): number {
  return rulesOf(app, plan).length;
}

/** The app's rules as nft prints them. */
export function firewallText(table: string, app: string, link: string, plan: FirewallPlan): string {
  return partText(firewallPart(table, app, link, plan));
}

function rulesOf(app: string, { policy }: FirewallPlan): NftRule[] {
  const names = firewallNames(app);
  return [
    ...FAMILIES.map(
      (family): NftRule => [{ kind: 'in', fields: DESTINATION[family], set: names.accept[family] }, accept],
    ),
    [
      { kind: 'counter', name: names.counter },
      { kind: 'jump', chain: SEEN },
    ],
    ...refusal(policy),
  ];
}

/** An app that is told fails at once instead of waiting for a time-out. */
function refusal(policy: FirewallPlan['policy']): NftRule[] {
  if (policy === 'drop') return [[{ kind: 'drop' }]];
  return [
    [
      { kind: 'protocol', is: 'tcp' },
      { kind: 'reject', with: 'tcp reset' },
    ],
    [{ kind: 'reject', with: 'admin-prohibited' }],
  ];
}

function refusedSet(family: Family): NftSet {
  return { name: `refused${family}`, key: ['ifname', ...keyOf(family)], dynamic: REFUSED };
}

function portlessSet(family: Family): NftSet {
  const [address, protocol] = keyOf(family);
  return { name: `portless${family}`, key: ['ifname', address, protocol], dynamic: REFUSED };
}

function keyOf(family: Family): readonly [DataType, DataType, DataType] {
  return [ADDRESS[family], 'inet_proto', 'inet_service'];
}

/** What is allowed, as sets. @throws MetactlError METACTL_FIREWALL_TOO_LARGE */
export function acceptSets(app: string, plan: FirewallPlan): NftSet[] {
  const entries = [...plan.accept, ...plan.resolvers.flatMap(resolverEntries)];
  return FAMILIES.map((family) => {
    const key = keyOf(family);
    const boxes = destinationBoxes(family, entries);
    if (boxes === undefined) throw tooLarge(app);
    const elements = boxes.map((box): NftElement => ({ key: box.map((range, i) => formatValue(key[i]!, range)) }));
    return { name: firewallNames(app).accept[family], key, interval: true, elements };
  });
}

/** At a start the plan has been refused before, by file and line; this is what names have become since. */
function tooLarge(app: string): MetactlError {
  return new MetactlError(`the names in [firewall.out.accept] of ${app} stand for too many addresses by now`, {
    code: 'METACTL_FIREWALL_TOO_LARGE',
    step: 'make the firewall',
    hint: 'the addresses that were allowed stay so; name networks instead of names',
  });
}
