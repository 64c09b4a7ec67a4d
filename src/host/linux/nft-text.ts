import { formatValue, parseValue, sortKey } from './nft-data.ts';
import type { DataType, Expression, NatTarget, NftChain, NftElement, NftSet, NftTable } from './nft-types.ts';

/**
 * Tables as `nft --stateless list` prints them (nftables 1.0), so that an administrator reads in a plan what nft will show.
 * It differs at most in how elements are ordered and spread over lines. Pure.
 */
export function tableText(table: NftTable): string {
  const parts = [
    ...(table.counters ?? []).map((name) => `\tcounter ${name} {\n\t}\n`),
    ...(table.sets ?? []).map(setText),
    ...table.chains.map(chainText),
  ];
  return `table inet ${table.name} {\n${parts.join('\n')}}\n`;
}

/**
 * A part of a table for a plan: elements of sets that belong to other parts as those sets with these elements only.
 * Pure.
 */
export function partText(part: NftTable): string {
  const others = (part.elements ?? []).map(({ set, elements }) => ({ ...set, elements }));
  return tableText({ ...part, sets: [...(part.sets ?? []), ...others] });
}

function setText(set: NftSet): string {
  const { name, key, data, interval, dynamic } = set;
  const map = data === undefined ? '' : ` : ${data === 'verdict' ? 'verdict' : data.join(' . ')}`;
  const flags = interval ? 'interval' : dynamic === undefined ? '' : 'dynamic,timeout';
  const lines = [
    `type ${key.join(' . ')}${map}`,
    ...(dynamic === undefined ? [] : [`size ${dynamic.size}`]),
    ...(flags === '' ? [] : [`flags ${flags}`]),
    ...(dynamic === undefined ? [] : [`timeout ${durationText(dynamic.timeout)}`]),
    ...elementLines(set),
  ];
  return `\t${data === undefined ? 'set' : 'map'} ${name} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`;
}

/** In the order of their numbers; nft has another one for concatenations. */
function elementLines({ key, data, elements = [] }: NftSet): string[] {
  if (elements.length === 0) return [];
  const texts = [...elements].sort((a, b) => compareKeys(key, a, b)).map((element) => elementText(key, data, element));
  return [`elements = { ${texts.join(',\n\t\t\t     ')} }`];
}

function compareKeys(types: readonly DataType[], a: NftElement, b: NftElement): number {
  for (const [index, type] of types.entries()) {
    const difference = sortKey(type, a.key[index]!) - sortKey(type, b.key[index]!);
    if (difference !== 0n) return difference < 0n ? -1 : 1;
  }
  return 0;
}

function elementText(types: readonly DataType[], dataTypes: NftSet['data'], { key, data }: NftElement): string {
  const values = (some: readonly DataType[], texts: readonly string[]) =>
    some.map((type, index) => formatValue(type, parseValue(type, texts[index]!))).join(' . ');
  const left = values(types, key);
  if (data === undefined || dataTypes === undefined) return left;
  if ('jump' in data) return `${left} : jump ${data.jump}`;
  if ('goto' in data) return `${left} : goto ${data.goto}`;
  return `${left} : ${dataTypes === 'verdict' ? '' : values(dataTypes, data)}`;
}

/** Names of priorities by hook (nft(8)); others are printed as numbers. */
const PRIORITIES: Readonly<Record<number, string>> = { [-300]: 'raw', [-150]: 'mangle', 0: 'filter', 50: 'security' };

function chainText({ name, base, rules }: NftChain): string {
  const lines = [
    ...(base === undefined
      ? []
      : [`type ${base.type ?? 'filter'} hook ${base.hook} priority ${priorityText(base)}; policy accept;`]),
    ...rules.map(ruleText),
  ];
  return `\tchain ${name} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`;
}

function priorityText({ hook, priority }: NonNullable<NftChain['base']>): string {
  if (hook === 'prerouting' && priority === -100) return 'dstnat';
  if (hook === 'postrouting' && priority === 100) return 'srcnat';
  return PRIORITIES[priority] ?? String(priority);
}

/** One rule as nft prints it. */
export function ruleText(rule: readonly Expression[]): string {
  return rule.map(expressionText).join(' ');
}

function expressionText(expression: Expression): string {
  switch (expression.kind) {
    case 'iifname':
    case 'oifname':
      return `${expression.kind} ${expression.is ? '' : '!= '}"${expression.name}"`;
    case 'ipv4':
    case 'ipv6':
      return `meta nfproto ${expression.kind}`;
    case 'protocol':
      return `meta l4proto ${expression.is}`;
    case 'address': {
      const type = expression.field.startsWith('ip6') ? 'ipv6_addr' : 'ipv4_addr';
      return `${expression.field} ${formatValue(type, parseValue(type, expression.is))}`;
    }
    case 'in':
      return `${expression.fields.join(' . ')} ${expression.not ? '!= ' : ''}@${expression.set}`;
    case 'vmap':
      return `${expression.fields.join(' . ')} vmap @${expression.map}`;
    case 'ct-state':
      return `ct state ${expression.states.join(',')}`;
    case 'ct-status':
      return `ct status ${expression.status}`;
    case 'forged-source':
      return 'fib saddr . iif oif missing';
    case 'local-destination':
      return 'fib daddr type local';
    case 'counter':
      return expression.name === undefined ? 'counter' : `counter name "${expression.name}"`;
    case 'update':
      return `update @${expression.set} { ${expression.fields.join(' . ')}${expression.plain ? '' : ' counter'} }`;
    case 'limited': {
      const { set, fields, perMinute, burst } = expression;
      return `update @${set} { ${fields.join(' . ')} limit rate ${perMinute}/minute burst ${burst} packets }`;
    }
    case 'snat':
    case 'dnat':
      return `${expression.kind} ${expression.family} to ${targetText(expression.to, expression.family)}`;
    case 'reject':
      return `reject with ${expression.with === 'tcp reset' ? 'tcp reset' : `icmpx ${expression.with}`}`;
    case 'jump':
    case 'goto':
      return `${expression.kind} ${expression.chain}`;
    case 'masquerade':
    case 'accept':
    case 'drop':
    case 'return':
      return expression.kind;
  }
}

function targetText(to: NatTarget, family: 'ip' | 'ip6'): string {
  if ('map' in to) return `${to.fields.join(' . ')} map @${to.map}`;
  if (to.port === undefined) return to.address;
  return family === 'ip' ? `${to.address}:${to.port}` : `[${to.address}]:${to.port}`;
}

/** Seconds as nft writes them: `1d2h3m4s`, without what is zero. */
function durationText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  return parts.map(([amount, unit]) => (amount === 0 ? '' : `${amount}${unit}`)).join('');
}
