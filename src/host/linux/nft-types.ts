/**
 * nf_tables' tables as data: what `nft-batch.ts` makes bytes of for the kernel, and `nft-text.ts` the text that nft(8)
 * prints. All tables are of the family inet.
 */

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** The types of what sets hold. Values are texts as nft prints them, see `nft-data.ts`. */
export type DataType = 'ipv4_addr' | 'ipv6_addr' | 'inet_proto' | 'inet_service' | 'ifname' | 'icmpv6_type';

/**
 * What of a packet is looked at. `th dport` is the destination port of any protocol that has one: say which by the
 * protocol. Fields of IPv4 or IPv6 make a rule one for that family only.
 */
export type Field =
  | 'iifname'
  | 'oifname'
  | 'meta l4proto'
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'th dport'
  | 'icmpv6 type';

export type CtState = 'invalid' | 'established' | 'related' | 'new';

/** Where nat leads to: fixed, or by a map from fields to `address` or `address . port` (a map's `data`). */
export type NatTarget =
  | { readonly address: string; readonly port?: number }
  | { readonly fields: readonly Field[]; readonly map: string; readonly withPort: boolean };

/** Part of a rule: all matches of a rule must hold for its statements and verdict. */
export type Expression =
  /** A link's name; one that ends in `*` stands for all that begin so. */
  | { readonly kind: 'iifname' | 'oifname'; readonly is: boolean; readonly name: string }
  | { readonly kind: 'ipv4' | 'ipv6' }
  | { readonly kind: 'protocol'; readonly is: 'tcp' | 'udp' | 'icmp' | 'ipv6-icmp' }
  /** An address, or a network such as `10.0.0.0/8`. */
  | {
      readonly kind: 'address';
      readonly field: 'ip saddr' | 'ip daddr' | 'ip6 saddr' | 'ip6 daddr';
      readonly is: string;
    }
  /** Whether the fields, one behind the other, are in a set. */
  | { readonly kind: 'in'; readonly fields: readonly Field[]; readonly set: string; readonly not?: true }
  /** The verdict that a map has for the fields; none: the next rule. */
  | { readonly kind: 'vmap'; readonly fields: readonly Field[]; readonly map: string }
  | { readonly kind: 'ct-state'; readonly states: readonly CtState[] }
  /** The connection's destination or source was rewritten. */
  | { readonly kind: 'ct-status'; readonly status: 'dnat' | 'snat' }
  /** The packet came by a link that no route to its source leads through (`fib saddr . iif oif missing`). */
  | { readonly kind: 'forged-source' }
  /** The destination is an address of this host (`fib daddr type local`). */
  | { readonly kind: 'local-destination' }
  /** Counts packets and bytes: in a named counter of the table, or in the rule itself. */
  | { readonly kind: 'counter'; readonly name?: string }
  /** Puts the fields into a dynamic set, anew if they are there, each with a counter of its own unless that is `plain`. */
  | { readonly kind: 'update'; readonly set: string; readonly fields: readonly Field[]; readonly plain?: true }
  /** The same with a limit of its own for each: the rule goes on as often as that allows. */
  | {
      readonly kind: 'limited';
      readonly set: string;
      readonly fields: readonly Field[];
      readonly perMinute: number;
      readonly burst: number;
    }
  | { readonly kind: 'masquerade' }
  | { readonly kind: 'snat' | 'dnat'; readonly family: 'ip' | 'ip6'; readonly to: NatTarget }
  | { readonly kind: 'reject'; readonly with: 'tcp reset' | 'admin-prohibited' }
  | { readonly kind: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export type NftRule = readonly Expression[];

export interface NftChain {
  readonly name: string;
  /** Absent: a chain that only others lead to. `type` is `filter` where it isn't given. */
  readonly base?: { readonly type?: 'filter' | 'nat'; readonly hook: Hook; readonly priority: number };
  readonly rules: readonly NftRule[];
}

/** A set, or with `data` a map. */
export interface NftSet {
  readonly name: string;
  readonly key: readonly DataType[];
  readonly data?: 'verdict' | readonly DataType[];
  /** Elements may be ranges and networks. They must not overlap. */
  readonly interval?: true;
  /** Filled by rules: at most `size` elements, each of which goes `timeout` seconds after its last update. */
  readonly dynamic?: { readonly size: number; readonly timeout: number };
  /** Other parts of the table put elements into it: putting the part that declares it never empties it. */
  readonly shared?: true;
  readonly elements?: readonly NftElement[];
}

/** One value for each type of the set's key: `10.0.0.0/8`, `192.0.2.1-192.0.2.9`, `tcp`, `8000-8080`, `mt-web`. */
export interface NftElement {
  readonly key: readonly string[];
  /** For maps: one value for each type of the data, or where to jump to. */
  readonly data?: readonly string[] | { readonly jump: string } | { readonly goto: string };
}

/** A table, or a part of one. */
export interface NftTable {
  readonly name: string;
  /** Named counters. */
  readonly counters?: readonly string[];
  readonly sets?: readonly NftSet[];
  readonly chains: readonly NftChain[];
  /** Elements of sets that belong to another part of the table. */
  readonly elements?: readonly NftMembers[];
}

export interface NftMembers {
  /** The set as it was declared; its own elements don't matter. */
  readonly set: NftSet;
  readonly elements: readonly NftElement[];
}
