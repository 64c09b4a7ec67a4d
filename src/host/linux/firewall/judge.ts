import type { Chain, Ruleset } from './ruleset.ts';
import { type Fate, fateIn, forwardChains, type Packet } from './walk.ts';

/** Whose rules these seem to be, by the names that the tools give. */
export type FirewallTool = 'Docker' | 'firewalld' | 'ufw' | 'iptables' | 'nftables';

/** One chain of others that forwarded packets go through, and what it does with the apps' packets. */
export interface ForwardJudgement {
  readonly tool: FirewallTool;
  readonly family: 'ip' | 'ip6' | 'inet';
  readonly table: string;
  readonly chain: string;
  /** By iptables-legacy, which nft does not show. */
  readonly legacy: boolean;
  /** New TCP connections of apps to the uplink, and from there to them. */
  readonly outgoing: Fate;
  readonly incoming: Fate;
}

/** Stands for the host end of an app's link, and for an uplink that isn't known. */
const APP_LINK = 'mt-0';
const NO_UPLINK = 'uplink';

/** Judges every forward chain that packets of the families go through. Pure. */
export function judgeForward(
  ruleset: Ruleset,
  uplink: string = NO_UPLINK,
  families: readonly Packet['family'][] = ['ip'],
): ForwardJudgement[] {
  const chains = new Set(families.flatMap((family) => forwardChains(ruleset, family)));
  return [...chains].map((chain) => {
    const met = chain.family === 'inet' ? families : [chain.family];
    const fate = (iifname: string, oifname: string) =>
      together(met.map((family) => fateIn(ruleset, chain, { family, iifname, oifname })));
    return {
      tool: toolOf(ruleset, chain),
      family: chain.family,
      table: chain.table,
      chain: chain.name,
      legacy: false,
      outgoing: fate(APP_LINK, uplink),
      incoming: fate(uplink, APP_LINK),
    };
  });
}

/** Of both families: what is certain for one only depends. */
function together(fates: readonly Fate[]): Fate {
  return fates.every((fate) => fate === fates[0]) ? fates[0]! : 'depends';
}

/** Docker first: its DOCKER-USER is the place for an administrator's rules also where ufw is there too. Pure. */
function toolOf(ruleset: Ruleset, base: Chain): FirewallTool {
  if (base.table === 'firewalld') return 'firewalld';
  const names = ruleset.chains
    .filter((chain) => chain.family === base.family && chain.table === base.table)
    .map((chain) => chain.name);
  return base.table === 'filter' && base.name === 'FORWARD' ? toolByChains(names) : 'nftables';
}

/** Of a table `filter` with a chain FORWARD, as iptables makes it. Pure. */
export function toolByChains(names: readonly string[]): FirewallTool {
  if (names.includes('DOCKER-USER')) return 'Docker';
  if (names.some((name) => /^ufw6?-/.test(name))) return 'ufw';
  return 'iptables';
}
