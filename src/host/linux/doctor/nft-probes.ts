/**
 * Small nf_tables transactions that show what the kernel has (linux/netfilter/nf_tables.h). They are only ever sent in a
 * network namespace that is thrown away. Pure.
 */

import { acceptSets } from '../app-firewall-table.ts';
import { replaceTable } from '../nft-batch.ts';
import type { NftRule, NftSet } from '../nft-types.ts';

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;
const NESTED = 0x8000;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NFTABLES = 10;
const NFPROTO_INET = 1;
const NEW_TABLE = 0;
const NEW_CHAIN = 3;
const NEW_RULE = 6;
const TABLE = 'metactl-doctor';

interface ChainKind {
  readonly type: 'filter' | 'nat';
  readonly hook: number;
  readonly priority: number;
}
/** Hook numbers of NF_INET_PRE_ROUTING and NF_INET_POST_ROUTING. */
const RAW: ChainKind = { type: 'filter', hook: 0, priority: -300 };
const SOURCE_NAT: ChainKind = { type: 'nat', hook: 4, priority: 100 };

/** A table of the family inet with a chain. */
export function tableProbe(): Uint8Array {
  return batch([table(), chain(RAW)]);
}

/** `fib saddr . iif oif`: register 1, the outgoing link's index, flags SADDR, IIF and PRESENT. */
export function fibProbe(): Uint8Array {
  return batch([table(), chain(RAW), rule(RAW, 'fib', number(1, 1), number(2, 1), number(3, 0x1 | 0x8 | 0x20))]);
}

/** `masquerade` in a chain of the type nat. */
export function natProbe(): Uint8Array {
  return batch([table(), chain(SOURCE_NAT), rule(SOURCE_NAT, 'masq')]);
}

/**
 * What only the rules of `[firewall.out]` need: a set of ranges of several fields (Linux 5.6), and a look-up in a set that
 * rules fill (5.4, 4.19.79, 4.14.149).
 */
export function setsProbe(): Uint8Array {
  const [allowed] = acceptSets('doctor', {
    policy: 'drop',
    accept: [{ label: '', text: '', networks: ['192.0.2.0/24'], ports: [1, 2], protocol: 'tcp' }],
    resolvers: [],
    resolveInterval: 0,
  });
  const seen: NftSet = { name: 'seen', key: ['ipv4_addr'], dynamic: { size: 16, timeout: 1 } };
  const fields = ['ip daddr'] as const;
  const update: NftRule = [
    { kind: 'in', fields, set: seen.name },
    { kind: 'update', fields, set: seen.name, plain: true },
  ];
  return replaceTable({ name: `${TABLE}-sets`, sets: [allowed!, seen], chains: [{ name: 'seen', rules: [update] }] });
}

function table(): Buffer {
  return message(NEW_TABLE, NLM_F_CREATE, text(1, TABLE));
}

/** Named after its type: all probes meet in one namespace, where a chain can't become another type's. */
function chain({ type, hook, priority }: ChainKind): Buffer {
  const place = attribute(4 | NESTED, number(1, hook), number(2, priority));
  return message(NEW_CHAIN, NLM_F_CREATE, text(1, TABLE), text(3, type), place, text(7, type));
}

function rule({ type }: ChainKind, expression: string, ...data: Buffer[]): Buffer {
  const element = attribute(1 | NESTED, text(1, expression), attribute(2 | NESTED, ...data));
  const expressions = attribute(4 | NESTED, element);
  return message(NEW_RULE, NLM_F_CREATE | NLM_F_APPEND, text(1, TABLE), text(2, type), expressions);
}

function batch(messages: readonly Buffer[]): Uint8Array {
  const all = [frame(BATCH_BEGIN), ...messages, frame(BATCH_END)];
  for (const [sequence, bytes] of all.entries()) bytes.writeUInt32LE(sequence, 8);
  return Buffer.concat(all);
}

function frame(type: number): Buffer {
  return raw(type, 0, 0, NFTABLES);
}

function message(type: number, flags: number, ...attributes: Buffer[]): Buffer {
  return raw((NFTABLES << 8) | type, flags | NLM_F_ACK, NFPROTO_INET, 0, ...attributes);
}

function raw(type: number, flags: number, family: number, resource: number, ...attributes: Buffer[]): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  header.writeUInt8(family, 16);
  header.writeUInt16BE(resource, 18);
  const bytes = Buffer.concat([header, ...attributes]);
  bytes.writeUInt32LE(bytes.length, 0);
  return bytes;
}

function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

function number(type: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeInt32BE(value);
  return attribute(type, data);
}

function attribute(type: number, ...values: Buffer[]): Buffer {
  const value = Buffer.concat(values);
  const bytes = Buffer.alloc(4 + value.length + (-value.length & 3));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}
