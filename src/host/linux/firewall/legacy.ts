import { type FirewallTool, toolByChains } from './judge.ts';
import type { Chain, Expression, Ruleset, Verdict } from './ruleset.ts';
import { HOOK_FORWARD } from './ruleset.ts';
import { xtMatch } from './xt-match.ts';

interface Layout {
  readonly iniface: number;
  readonly outiface: number;
  readonly inMask: number;
  readonly outMask: number;
  readonly protocol: number;
  readonly inverted: number;
  readonly target: number;
  readonly next: number;
  readonly size: number;
}

/**
 * Layouts of ipt_entry (linux/netfilter_ipv4/ip_tables.h) and ip6t_entry (linux/netfilter_ipv6/ip6_tables.h); below that
 * of xt_entry_match and xt_entry_target (linux/netfilter/x_tables.h).
 */
const ENTRIES: Readonly<Record<'ip' | 'ip6', Layout>> = {
  ip: {
    iniface: 16,
    outiface: 32,
    inMask: 48,
    outMask: 64,
    protocol: 80,
    inverted: 83,
    target: 88,
    next: 90,
    size: 112,
  },
  ip6: {
    iniface: 64,
    outiface: 80,
    inMask: 96,
    outMask: 112,
    protocol: 128,
    inverted: 132,
    target: 140,
    next: 142,
    size: 168,
  },
};
const PART = { size: 0, name: 2, nameLength: 29, revision: 31, data: 32 } as const;
const IFNAMSIZ = 16;
/** IPT_INV_VIA_IN, IPT_INV_VIA_OUT, XT_INV_PROTO; those of addresses don't matter here. */
const INVERTED = { in: 0x01, out: 0x02, protocol: 0x40 } as const;
const ERROR_TARGET = 'ERROR';
const RETURN = -5;
/** Verdicts are -NF_DROP - 1 and -NF_ACCEPT - 1. */
const VERDICTS = new Map<number, Verdict['to']>([
  [-1, 'drop'],
  [-2, 'accept'],
  [RETURN, 'return'],
]);

/** Registers of our own choice. */
const REGISTER = 1;

interface Entry {
  readonly at: number;
  readonly matches: readonly Expression[];
  readonly target: { readonly name: string; readonly verdict: number | undefined };
  /** Name of the chain that begins after an ERROR target. */
  readonly begins: string | undefined;
}

/**
 * The table `filter` of iptables-legacy as the same rules that nf_tables has. The chain FORWARD begins at `forward`; a jump
 * leads to an offset. Pure.
 */
export function readLegacy(
  { forward, entries }: { forward: number; entries: Uint8Array },
  family: 'ip' | 'ip6' = 'ip',
): Ruleset & { readonly tool: FirewallTool } {
  const read = entriesOf(Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength), ENTRIES[family]);
  const targets = new Set(
    read.flatMap(({ target: { verdict } }) => (verdict !== undefined && verdict >= 0 ? [verdict] : [])),
  );
  const chains: Chain[] = [];
  for (const [index, { at }] of read.entries()) {
    if (at !== forward && !targets.has(at)) continue;
    // A chain ends before the ERROR target that begins the next one; the base chains' last rule is their policy.
    const rules: Expression[][] = [];
    for (const entry of read.slice(index)) {
      if (entry.begins !== undefined) break;
      rules.push([...entry.matches, ...targetOf(entry)]);
      if (at === forward && isPolicy(entry)) break;
    }
    const base = at === forward ? { base: { hook: HOOK_FORWARD, drops: true } } : {};
    chains.push({ family, table: 'filter', name: at === forward ? 'FORWARD' : String(at), ...base, rules });
  }
  const names = read.flatMap(({ begins }) => begins ?? []);
  return { chains, sets: new Map(), tool: toolByChains(names) };
}

/** Unconditional and final. */
function isPolicy({ matches, target }: Entry): boolean {
  return matches.length === 0 && target.name === '' && (target.verdict === -1 || target.verdict === -2);
}

function entriesOf(bytes: Buffer, layout: Layout): Entry[] {
  const found: Entry[] = [];
  for (let at = 0; at + layout.size <= bytes.length; ) {
    const next = bytes.readUInt16LE(at + layout.next);
    const target = at + bytes.readUInt16LE(at + layout.target);
    if (next < layout.size || at + next > bytes.length || target + PART.data > at + next) break;
    const entry = bytes.subarray(at, at + next);
    const name = partName(bytes, target);
    found.push({
      at,
      matches: [...linkMatches(entry, layout), ...partsOf(bytes, at + layout.size, target)],
      target: { name, verdict: name === '' ? bytes.readInt32LE(target + PART.data) : undefined },
      begins: name === ERROR_TARGET ? text(bytes.subarray(target + PART.data, at + next)) : undefined,
    });
    at += next;
  }
  return found;
}

function linkMatches(entry: Buffer, layout: Layout): Expression[] {
  const inverted = entry.readUInt8(layout.inverted);
  const protocol = entry.readUInt16LE(layout.protocol);
  const addresses = entry.subarray(0, layout.iniface).some((byte) => byte !== 0);
  return [
    ...linkMatch(entry, 'iifname', layout.iniface, layout.inMask, (inverted & INVERTED.in) === 0),
    ...linkMatch(entry, 'oifname', layout.outiface, layout.outMask, (inverted & INVERTED.out) === 0),
    ...(protocol === 0 ? [] : compare('l4proto', Buffer.of(protocol), (inverted & INVERTED.protocol) === 0)),
    ...(addresses ? [{ kind: 'maybe' } as const] : []),
  ];
}

/** The mask has as many bytes as count; a whole name's counts its terminating zero too. */
function linkMatch(
  entry: Buffer,
  what: 'iifname' | 'oifname',
  name: number,
  mask: number,
  equal: boolean,
): Expression[] {
  const length = entry.subarray(mask, mask + IFNAMSIZ).indexOf(0);
  const value = entry.subarray(name, name + (length < 0 ? IFNAMSIZ : length));
  return value.length === 0 ? [] : compare(what, value, equal);
}

function compare(what: 'iifname' | 'oifname' | 'l4proto', value: Buffer, equal: boolean): Expression[] {
  return [
    { kind: 'load', what, register: REGISTER },
    { kind: 'compare', register: REGISTER, equal, value },
  ];
}

function partsOf(bytes: Buffer, from: number, end: number): Expression[] {
  const found: Expression[] = [];
  for (let at = from; at + PART.data <= end; ) {
    const size = bytes.readUInt16LE(at + PART.size);
    if (size < PART.data) break;
    const match = xtMatch(
      partName(bytes, at),
      bytes.readUInt8(at + PART.revision),
      bytes.subarray(at + PART.data, at + size),
    );
    if (match !== undefined) found.push(match);
    at += size;
  }
  return found;
}

function targetOf({ target: { name, verdict } }: Entry): Expression[] {
  if (name === 'REJECT') return [{ kind: 'verdict', verdict: { to: 'drop' } }];
  if (verdict === undefined) return [];
  const to = VERDICTS.get(verdict);
  if (to !== undefined && to !== 'jump' && to !== 'goto') return [{ kind: 'verdict', verdict: { to } }];
  return verdict < 0 ? [] : [{ kind: 'verdict', verdict: { to: 'jump', chain: String(verdict) } }];
}

function partName(bytes: Buffer, at: number): string {
  return text(bytes.subarray(at + PART.name, at + PART.name + PART.nameLength));
}

function text(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/\0.*$/s, '');
}
