import {
  type Chain,
  HOOK_FORWARD,
  HOOK_INPUT,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
  HOOKS,
  type Ruleset,
} from './ruleset.ts';
import { chainsAt, type Fate, fateIn, type Packet } from './walk.ts';

/** Whose rules these seem to be, by the names that the tools give. */
export type FirewallTool = 'Docker' | 'firewalld' | 'ufw' | 'iptables' | 'nftables';

/** One chain of others that packets of apps go through, and what it does with them. */
export interface ForwardJudgement {
  readonly tool: FirewallTool;
  readonly family: 'ip' | 'ip6' | 'inet' | 'netdev';
  readonly table: string;
  readonly chain: string;
  readonly hook: (typeof HOOKS)[number] | 'netdev';
  /** By iptables-legacy, which nft does not show. */
  readonly legacy: boolean;
  /** New TCP connections of apps to the uplink (`input`: to this host itself), and from there to them. */
  readonly outgoing: Fate;
  readonly incoming: Fate;
}

/** Stands for the host end of an app's link, and for an uplink that isn't known. */
const APP_LINK = 'mt-0';
const NO_UPLINK = 'uplink';

/**
 * Judges every chain that packets of the families go through. Of prerouting and postrouting only those that are in the way: most
 * have rules against forged or martian addresses, which matter to nobody else. Pure.
 */
export function judgeForward(
  ruleset: Ruleset,
  uplink: string = NO_UPLINK,
  families: readonly Packet['family'][] = ['ip'],
): ForwardJudgement[] {
  const at = (hook: number) => [...new Set(families.flatMap((family) => chainsAt(ruleset, family, hook)))];
  const judged = [HOOK_FORWARD, HOOK_PREROUTING, HOOK_POSTROUTING, HOOK_INPUT].flatMap(at).map((chain) => {
    const { hook, drops } = chain.base!;
    const met = chain.family === 'inet' ? families : [chain.family];
    const fate = (iifname: string, oifname: string) =>
      together(met.map((family) => fateIn(ruleset, chain, { family, iifname, oifname })));
    return {
      tool: toolOf(ruleset, chain),
      family: chain.family,
      table: chain.table,
      chain: chain.name,
      legacy: false,
      hook: HOOKS[hook]!,
      ...(hook === HOOK_INPUT
        ? { outgoing: fate(APP_LINK, ''), incoming: 'passes' as const }
        : {
            outgoing: told(fate(APP_LINK, hook === HOOK_PREROUTING ? '' : uplink), hook, drops),
            incoming: told(fate(uplink, hook === HOOK_PREROUTING ? '' : APP_LINK), hook, drops),
          }),
    };
  });
  const inTheWay = judged.filter(
    ({ hook, outgoing, incoming }) => hook === 'forward' || outgoing !== 'passes' || incoming !== 'passes',
  );
  return [...inTheWay, ...(ruleset.netdev ?? []).map(netdevOf)];
}

function netdevOf(table: string): ForwardJudgement {
  const fates = { outgoing: 'depends', incoming: 'depends' } as const;
  return { tool: 'nftables', family: 'netdev', table, chain: '', hook: 'netdev', legacy: false, ...fates };
}

/** What depends is told of chains that drop what they don't know. */
function told(fate: Fate, hook: number, drops: boolean): Fate {
  return hook === HOOK_FORWARD || fate !== 'depends' || drops ? fate : 'passes';
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
  return base.table === 'filter' && /^(FORWARD|INPUT)$/.test(base.name) ? toolByChains(names) : 'nftables';
}

/** Of a table `filter` with a chain FORWARD, as iptables makes it. Pure. */
export function toolByChains(names: readonly string[]): FirewallTool {
  if (names.includes('DOCKER-USER')) return 'Docker';
  if (names.some((name) => /^ufw6?-/.test(name))) return 'ufw';
  return 'iptables';
}
