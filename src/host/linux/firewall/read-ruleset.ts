import { attributesOf, type Dumped, dumpRequest, listOf, numberOf, readDump, textOf } from './attributes.ts';
import { readExpression, readVerdict } from './read-expression.ts';
import { type Chain, type Element, type Expression, FAMILIES, HOOKS, type Ruleset, setName } from './ruleset.ts';

/** Sends one request to nfnetlink and gives the answer. */
export type Exchange = (request: Uint8Array) => Uint8Array;

const NFPROTO_UNSPEC = 0;
const NFPROTO_NETDEV = 5;
/** enum nf_tables_msg_types */
const NFT_MSG = { newChain: 3, getChain: 4, newRule: 6, getRule: 7, newElements: 12, getElements: 13 } as const;
const NF_DROP = 0;
/** Flag of an element that ends a range. */
const INTERVAL_END = 1;
/** Tables of metactl itself: what they drop is meant. */
const OWN = /^metactl(-[0-9a-f]{4})?(-nat|-out)?$/;

/**
 * Reads the chains that forwarded packets can go through, of everybody but metactl. Where nobody has any, which is the
 * usual case, this takes one question.
 * @returns undefined where the kernel does not tell (no nf_tables, no rights, or the rules changed meanwhile).
 */
export function readRuleset(exchange: Exchange): Ruleset | undefined {
  const chains = readDump(exchange(dumpRequest(NFT_MSG.getChain, NFPROTO_UNSPEC)));
  if (chains === undefined) return undefined;
  const known = chains.flatMap((dumped) => (dumped.type === NFT_MSG.newChain ? chainOf(dumped) : []));
  const tables = new Set(known.filter((chain) => chain.base !== undefined && chain.base.hook in HOOKS).map(tableOf));
  const netdev = netdevTables(chains);
  if (tables.size === 0) return { chains: [], sets: new Map(), netdev };
  const rules = readDump(exchange(dumpRequest(NFT_MSG.getRule, NFPROTO_UNSPEC)));
  if (rules === undefined) return undefined;
  const byChain = rulesByChain(rules, tables);
  const filled = known
    .filter((chain) => tables.has(tableOf(chain)))
    .map((chain) => ({ ...chain, rules: byChain.get(`${tableOf(chain)} ${chain.name}`) ?? [] }));
  return { chains: filled, sets: readSets(exchange, filled), netdev };
}

function tableOf({ family, table }: Pick<Chain, 'family' | 'table'>): string {
  return `${family} ${table}`;
}

/** Their chains see packets before and after all others. */
function netdevTables(chains: readonly Dumped[]): string[] {
  const own = chains.filter(({ type, family }) => type === NFT_MSG.newChain && family === NFPROTO_NETDEV);
  return [...new Set(own.map(({ attributes }) => textOf(attributes.get(1))))];
}

function chainOf({ family, attributes }: Dumped): Chain[] {
  const known = FAMILIES[family];
  const table = textOf(attributes.get(1));
  if (known === undefined || OWN.test(table)) return [];
  const hook = numberOf(attributesOf(attributes.get(4)).get(1));
  const base =
    hook === undefined || textOf(attributes.get(7)) === 'nat'
      ? {}
      : { base: { hook, drops: numberOf(attributes.get(5)) === NF_DROP } };
  return [{ family: known, table, name: textOf(attributes.get(3)), ...base, rules: [] }];
}

function rulesByChain(rules: readonly Dumped[], tables: ReadonlySet<string>): Map<string, Expression[][]> {
  const byChain = new Map<string, Expression[][]>();
  for (const { type, family, attributes } of rules) {
    const known = FAMILIES[family];
    if (type !== NFT_MSG.newRule || known === undefined) continue;
    const table = tableOf({ family: known, table: textOf(attributes.get(1)) });
    if (!tables.has(table)) continue;
    const chain = `${table} ${textOf(attributes.get(2))}`;
    const list = byChain.get(chain) ?? [];
    byChain.set(chain, list);
    list.push(listOf(attributes.get(4)).flatMap((bytes) => readExpression(bytes, known) ?? []));
  }
  return byChain;
}

/** Sets can be huge (blocklists of addresses); only those are read that something known is looked up in. */
function readSets(exchange: Exchange, chains: readonly Chain[]): Map<string, readonly Element[]> {
  const sets = new Map<string, readonly Element[]>();
  for (const chain of chains) {
    for (const name of chain.rules.flatMap(knownSets)) {
      const key = setName(chain, name);
      if (sets.has(key)) continue;
      const family = Number(Object.keys(FAMILIES).find((number) => FAMILIES[Number(number)] === chain.family));
      const request = dumpRequest(NFT_MSG.getElements, family, { 1: chain.table, 2: name });
      const elements = readDump(exchange(request))?.flatMap(({ attributes }) => listOf(attributes.get(3)));
      const read = elements?.map(elementOf);
      if (read?.every((element) => element !== undefined)) sets.set(key, read as Element[]);
    }
  }
  return sets;
}

function knownSets(rule: readonly Expression[]): string[] {
  const unknown = new Set<number>();
  return rule.flatMap((expression) => {
    if (expression.kind === 'load' && expression.what === 'unknown') unknown.add(expression.register);
    return expression.kind === 'lookup' && !unknown.has(expression.register) ? [expression.set] : [];
  });
}

/** @returns undefined for part of a range: then the set can't be looked up in by comparing. */
function elementOf(bytes: Buffer): Element | undefined {
  const attributes = attributesOf(bytes);
  if (((numberOf(attributes.get(3)) ?? 0) & INTERVAL_END) !== 0) return undefined;
  const verdict = readVerdict(attributesOf(attributes.get(2)).get(2));
  const key = attributesOf(attributes.get(1)).get(1) ?? Buffer.alloc(0);
  return verdict === undefined ? { key } : { key, verdict };
}
