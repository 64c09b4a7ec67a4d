/**
 * nf_tables rules, as much of them as tells what becomes of a forwarded packet (linux/netfilter/nf_tables.h). Whatever
 * is not known is said to be so, never guessed.
 */

export type Family = 'ip' | 'ip6' | 'inet';

export interface Ruleset {
  readonly chains: readonly Chain[];
  /** By `family table set`; only those that a rule looks a known register up in. */
  readonly sets: ReadonlyMap<string, readonly Element[]>;
  /** Tables of the family netdev, whose rules are not followed. */
  readonly netdev?: readonly string[];
}

export interface Chain {
  readonly family: Family;
  readonly table: string;
  readonly name: string;
  /** Absent: reached by jumps only, or it is of nat, where nothing is dropped. */
  readonly base?: { readonly hook: number; readonly drops: boolean };
  readonly rules: readonly (readonly Expression[])[];
}

export interface Element {
  readonly key: Buffer;
  /** Verdict maps only. */
  readonly verdict?: Verdict;
}

export type Verdict =
  | { readonly to: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly to: 'jump' | 'goto'; readonly chain: string };

/** What a register can be loaded with; `unknown` for everything else. */
export type Loaded = 'iifname' | 'oifname' | 'nfproto' | 'l4proto' | 'ct state' | 'ct status' | 'unknown';

export type Expression =
  | { readonly kind: 'load'; readonly what: Loaded; readonly register: number }
  | {
      readonly kind: 'mask';
      readonly from: number;
      readonly register: number;
      readonly mask: Buffer;
      readonly xor: Buffer;
    }
  | { readonly kind: 'compare'; readonly register: number; readonly equal: boolean; readonly value: Buffer }
  | {
      readonly kind: 'lookup';
      readonly register: number;
      readonly set: string;
      readonly inverted: boolean;
      readonly map: boolean;
    }
  /** Connection-tracking states of which one must hold (xt_conntrack). */
  | { readonly kind: 'state'; readonly states: number; readonly inverted: boolean }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  /** A match that may hold or not. */
  | { readonly kind: 'maybe' };

/** enum nf_inet_hooks (linux/netfilter.h). */
export const HOOK_PREROUTING = 0;
export const HOOK_INPUT = 1;
export const HOOK_FORWARD = 2;
export const HOOK_POSTROUTING = 4;

/** Chains that packets of apps go through; which of them is told by `base.hook`. */
export const HOOKS: Readonly<Record<number, 'prerouting' | 'input' | 'forward' | 'postrouting'>> = {
  [HOOK_PREROUTING]: 'prerouting',
  [HOOK_INPUT]: 'input',
  [HOOK_FORWARD]: 'forward',
  [HOOK_POSTROUTING]: 'postrouting',
};
/** NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET. */
export const FAMILIES: Readonly<Record<number, Family>> = { 1: 'inet', 2: 'ip', 10: 'ip6' };

export function setName(chain: Pick<Chain, 'family' | 'table'>, set: string): string {
  return `${chain.family} ${chain.table} ${set}`;
}
