import { type FirewallTool, toolByChains } from './judge.ts';
import type { Chain, Expression, Ruleset, Verdict } from './ruleset.ts';
import { HOOK_FORWARD } from './ruleset.ts';
import { xtMatch } from './xt-match.ts';

/** Layout of ipt_entry, xt_entry_match and xt_entry_target (linux/netfilter_ipv4/ip_tables.h, x_tables.h). */
const ENTRY = {
  iniface: 16,
  outiface: 32,
  inMask: 48,
  outMask: 64,
  protocol: 80,
  inverted: 83,
  target: 88,
  next: 90,
  size: 112,
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
export function readLegacy({
  forward,
  entries,
}: {
  forward: number;
  entries: Uint8Array;
}): Ruleset & { readonly tool: FirewallTool } {
  const read = entriesOf(Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength));
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
    chains.push({ family: 'ip', table: 'filter', name: at === forward ? 'FORWARD' : String(at), ...base, rules });
  }
  const names = read.flatMap(({ begins }) => begins ?? []);
  return { chains, sets: new Map(), tool: toolByChains(names) };
}

/** Unconditional and final. */
function isPolicy({ matches, target }: Entry): boolean {
  return matches.length === 0 && target.name === '' && (target.verdict === -1 || target.verdict === -2);
}

function entriesOf(bytes: Buffer): Entry[] {
  const found: Entry[] = [];
  for (let at = 0; at + ENTRY.size <= bytes.length; ) {
    const next = bytes.readUInt16LE(at + ENTRY.next);
    const target = at + bytes.readUInt16LE(at + ENTRY.target);
    if (next < ENTRY.size || at + next > bytes.length || target + PART.data > at + next) break;
    const entry = bytes.subarray(at, at + next);
    const name = partName(bytes, target);
    found.push({
      at,
      matches: [...linkMatches(entry), ...partsOf(bytes, at + ENTRY.size, target)],
      target: { name, verdict: name === '' ? bytes.readInt32LE(target + PART.data) : undefined },
      begins: name === ERROR_TARGET ? text(bytes.subarray(target + PART.data, at + next)) : undefined,
    });
    at += next;
  }
  return found;
}

function linkMatches(entry: Buffer): Expression[] {
  const inverted = entry.readUInt8(ENTRY.inverted);
  const protocol = entry.readUInt16LE(ENTRY.protocol);
  const addresses = entry.subarray(0, ENTRY.iniface).some((byte) => byte !== 0);
  return [
    ...linkMatch(entry, 'iifname', ENTRY.iniface, ENTRY.inMask, (inverted & INVERTED.in) === 0),
    ...linkMatch(entry, 'oifname', ENTRY.outiface, ENTRY.outMask, (inverted & INVERTED.out) === 0),
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
