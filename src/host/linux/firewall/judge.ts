import type { Chain, Ruleset } from './ruleset.ts';
import { type Fate, fateIn, forwardChains } from './walk.ts';

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

/** Judges every forward chain for IPv4. Pure. */
export function judgeForward(ruleset: Ruleset, uplink: string = NO_UPLINK): ForwardJudgement[] {
  return forwardChains(ruleset, 'ip').map((chain) => ({
    tool: toolOf(ruleset, chain),
    family: chain.family,
    table: chain.table,
    chain: chain.name,
    legacy: false,
    outgoing: fateIn(ruleset, chain, { family: 'ip', iifname: APP_LINK, oifname: uplink }),
    incoming: fateIn(ruleset, chain, { family: 'ip', iifname: uplink, oifname: APP_LINK }),
  }));
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
  if (names.some((name) => name.startsWith('ufw-'))) return 'ufw';
  return 'iptables';
}
