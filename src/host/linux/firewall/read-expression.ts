import { type Attributes, attributesOf, numberOf, textOf } from './attributes.ts';
import type { Expression, Loaded, Verdict } from './ruleset.ts';
import { xtMatch } from './xt-match.ts';

/** Keys of the expressions `meta` and `ct`. */
const META: Readonly<Record<number, Loaded>> = { 6: 'iifname', 7: 'oifname', 15: 'nfproto', 16: 'l4proto' };
const CT: Readonly<Record<number, Loaded>> = { 0: 'ct state', 2: 'ct status' };
const CMP_EQ = 0;
const CMP_NEQ = 1;
const NF_DROP = 0;
const NF_ACCEPT = 1;
/** enum nft_verdicts */
const NFT_CONTINUE = -1;
const NFT_JUMP = -3;
const NFT_GOTO = -4;
const NFT_RETURN = -5;
/** NFT_PAYLOAD_NETWORK_HEADER; the protocol's byte in an IPv4 header. */
const NETWORK_HEADER = 1;
const IPV4_PROTOCOL = 9;
const IP = 'ip';
/** NFT_LOOKUP_F_INV */
const INVERTED = 1;

/** Expressions that neither match nor decide. */
const HARMLESS = new Set([
  'counter',
  'log',
  'immediate-data',
  'notrack',
  'flow_offload',
  'masq',
  'nat',
  'redir',
  'objref',
]);

/** One element of a rule. Pure. @returns undefined for what changes nothing. */
export function readExpression(bytes: Buffer, family: string): Expression | undefined {
  const outer = attributesOf(bytes);
  const name = textOf(outer.get(1));
  const data = attributesOf(outer.get(2));
  const at = (type: number) => numberOf(data.get(type));
  switch (name) {
    case 'meta':
      return data.has(1) ? { kind: 'load', what: META[at(2) ?? -1] ?? 'unknown', register: at(1)! } : undefined;
    case 'ct':
      return data.has(1) ? { kind: 'load', what: CT[at(2) ?? -1] ?? 'unknown', register: at(1)! } : undefined;
    case 'payload': {
      if (!data.has(1)) return undefined;
      const protocol = family === IP && at(2) === NETWORK_HEADER && at(3) === IPV4_PROTOCOL && at(4) === 1;
      return { kind: 'load', what: protocol ? 'l4proto' : 'unknown', register: at(1)! };
    }
    case 'bitwise':
      return bitwise(data);
    case 'cmp':
      return compare(data);
    case 'lookup': {
      const map = data.has(3);
      return { kind: 'lookup', register: at(2) ?? 0, set: textOf(data.get(1)), inverted: at(5) === INVERTED, map };
    }
    case 'immediate': {
      const verdict = readVerdict(attributesOf(data.get(2)).get(2));
      return verdict === undefined ? undefined : { kind: 'verdict', verdict };
    }
    case 'reject':
      return { kind: 'verdict', verdict: { to: 'drop' } };
    case 'match':
      return xtMatch(textOf(data.get(1)), at(2) ?? 0, data.get(3));
    case 'target':
      return ['REJECT', 'DROP'].includes(textOf(data.get(1)))
        ? { kind: 'verdict', verdict: { to: 'drop' } }
        : undefined;
    default:
      if (HARMLESS.has(name)) return undefined;
      // A register that is loaded with what we don't know, or a match that we don't know (limit, quota, connlimit …).
      return { kind: 'maybe' };
  }
}

/** Pure. */
export function readVerdict(bytes: Buffer | undefined): Verdict | undefined {
  if (bytes === undefined) return undefined;
  const attributes = attributesOf(bytes);
  const chain = textOf(attributes.get(2));
  switch (numberOf(attributes.get(1))) {
    case NF_ACCEPT:
      return { to: 'accept' };
    case NF_DROP:
      return { to: 'drop' };
    case NFT_RETURN:
      return { to: 'return' };
    case NFT_CONTINUE:
      return { to: 'continue' };
    case NFT_JUMP:
      return { to: 'jump', chain };
    case NFT_GOTO:
      return { to: 'goto', chain };
    default:
      return undefined;
  }
}

function bitwise(data: Attributes): Expression {
  const mask = attributesOf(data.get(4)).get(1);
  const xor = attributesOf(data.get(5)).get(1);
  const [from, register] = [numberOf(data.get(1)) ?? 0, numberOf(data.get(2)) ?? 0];
  // Shifts have neither.
  if (mask === undefined || xor === undefined) return { kind: 'load', what: 'unknown', register };
  return { kind: 'mask', from, register, mask, xor };
}

function compare(data: Attributes): Expression {
  const operation = numberOf(data.get(2));
  const value = attributesOf(data.get(3)).get(1);
  if (value === undefined || (operation !== CMP_EQ && operation !== CMP_NEQ)) return { kind: 'maybe' };
  return { kind: 'compare', register: numberOf(data.get(1)) ?? 0, equal: operation === CMP_EQ, value };
}
