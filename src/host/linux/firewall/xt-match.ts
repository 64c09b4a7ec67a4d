import type { Expression } from './ruleset.ts';

/** They hold always. */
const ALWAYS = new Set(['comment']);
/** Offsets in xt_conntrack_mtinfo1 to 3: match_flags, invert_flags (16 bits each), state_mask (8 bits, later 16). */
const CONNTRACK = { flags: 146, inverted: 148, states: 150, length: 153, onlyStates: 1 } as const;

/** A match of iptables, by iptables-nft or iptables-legacy. Pure. @returns undefined for one that always holds. */
export function xtMatch(name: string, revision: number, info: Buffer | undefined): Expression | undefined {
  if (ALWAYS.has(name)) return undefined;
  if (name !== 'conntrack' || info === undefined || info.length < CONNTRACK.length) return { kind: 'maybe' };
  if (info.readUInt16LE(CONNTRACK.flags) !== CONNTRACK.onlyStates) return { kind: 'maybe' };
  return {
    kind: 'state',
    states: revision < 2 ? info.readUInt8(CONNTRACK.states) : info.readUInt16LE(CONNTRACK.states),
    inverted: (info.readUInt16LE(CONNTRACK.inverted) & CONNTRACK.onlyStates) !== 0,
  };
}
