/**
 * nf_tables requests as bytes (linux/netfilter/nf_tables.h, nfnetlink.h), so that a table is loaded without a process:
 * starting nft costs as much as three launches. Netlink's own fields are in host byte order, which is little-endian on
 * every machine that Node runs on; nf_tables' numbers are big-endian. Pure.
 */

export type Hook = 'prerouting' | 'forward';

/** Part of a rule: all matches of a rule must hold for its verdict. */
export type Expression =
  /** A link's name; one that ends in `*` stands for all that begin so. */
  | { readonly kind: 'iifname' | 'oifname'; readonly is: boolean; readonly name: string }
  | { readonly kind: 'ipv4' }
  /** The packet came by a link that no route to its source leads through (`fib saddr . iif oif missing`). */
  | { readonly kind: 'forged-source' }
  | { readonly kind: 'drop' };

export interface NftChain {
  readonly name: string;
  /** Absent: a chain that nothing goes through. */
  readonly base?: { readonly hook: Hook; readonly priority: number };
  readonly rules: readonly (readonly Expression[])[];
}

/** A table of the family inet. */
export interface NftTable {
  readonly name: string;
  readonly chains: readonly NftChain[];
}

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
/** NLM_F_ROOT and NLM_F_MATCH. */
const NLM_F_DUMP = 0x300;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;
const NLA_F_NESTED = 0x8000;

const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const NFPROTO_INET = 1;
const NFPROTO_IPV4 = 2;

const NFT_MSG = { newTable: 0, deleteTable: 2, newChain: 3, getChain: 4, newRule: 6 } as const;
const HOOKS: Readonly<Record<Hook, number>> = { prerouting: 0, forward: 2 };
const NF_ACCEPT = 1;
const NF_DROP = 0;
const REGISTER = 1;
const VERDICT_REGISTER = 0;
const META_KEYS = { iifname: 6, oifname: 7, nfproto: 15 } as const;
const CMP_EQ = 0;
const CMP_NEQ = 1;
const FIB_RESULT_OIF = 1;
/** NFTA_FIB_F_SADDR, _IIF and _PRESENT. */
const FIB_FLAGS = 0x1 | 0x8 | 0x20;
const IFNAMSIZ = 16;

/** One transaction that puts `table` in the place of what there is of that name. */
export function replaceTable(table: NftTable): Uint8Array {
  return batch([
    ...emptyTable(table.name),
    message(NFT_MSG.newTable, NLM_F_CREATE, named(1, table.name)),
    ...contents(table),
  ]);
}

/** One transaction that removes a table, if it is there. */
export function removeTable(name: string): Uint8Array {
  return batch(emptyTable(name));
}

/** Declared first, so that deleting it never fails. */
function emptyTable(name: string): Buffer[] {
  return [message(NFT_MSG.newTable, NLM_F_CREATE, named(1, name)), message(NFT_MSG.deleteTable, 0, named(1, name))];
}

function contents(table: NftTable): Buffer[] {
  const chains = table.chains.map(({ name, base }) =>
    message(NFT_MSG.newChain, NLM_F_CREATE, named(1, table.name), named(3, name), ...(base ? baseChain(base) : [])),
  );
  const rules = table.chains.flatMap((chain) =>
    chain.rules.map((rule) => {
      const expressions = nested(4, ...rule.flatMap(encode));
      return message(
        NFT_MSG.newRule,
        NLM_F_CREATE | NLM_F_APPEND,
        named(1, table.name),
        named(2, chain.name),
        expressions,
      );
    }),
  );
  return [...chains, ...rules];
}

function baseChain({ hook, priority }: { hook: Hook; priority: number }): Buffer[] {
  return [nested(4, number(1, HOOKS[hook]), number(2, priority)), number(5, NF_ACCEPT), named(7, 'filter')];
}

function encode(expression: Expression): Buffer[] {
  switch (expression.kind) {
    case 'iifname':
    case 'oifname':
      return [load(META_KEYS[expression.kind]), compare(expression.is ? CMP_EQ : CMP_NEQ, linkName(expression.name))];
    case 'ipv4':
      return [load(META_KEYS.nfproto), compare(CMP_EQ, Buffer.of(NFPROTO_IPV4))];
    case 'forged-source':
      return [
        element('fib', number(1, REGISTER), number(2, FIB_RESULT_OIF), number(3, FIB_FLAGS)),
        compare(CMP_EQ, Buffer.alloc(4)),
      ];
    case 'drop':
      return [element('immediate', number(1, VERDICT_REGISTER), nested(2, nested(2, number(1, NF_DROP))))];
  }
}

function load(key: number): Buffer {
  return element('meta', number(2, key), number(1, REGISTER));
}

function compare(operation: number, value: Buffer): Buffer {
  return element('cmp', number(1, REGISTER), number(2, operation), nested(3, attribute(1, value)));
}

/** A whole name is compared with its padding, a beginning without. */
function linkName(name: string): Buffer {
  if (name.endsWith('*')) return Buffer.from(name.slice(0, -1));
  const padded = Buffer.alloc(IFNAMSIZ);
  padded.write(name);
  return padded;
}

/** NFTA_LIST_ELEM with NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
function element(name: string, ...data: readonly Buffer[]): Buffer {
  return nested(1, named(1, name), nested(2, ...data));
}

/** NFTA_…_TABLE, _CHAIN, _NAME: text with its terminating zero. */
function named(type: number, text: string): Buffer {
  return attribute(type, Buffer.from(`${text}\0`));
}

function number(type: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeInt32BE(value);
  return attribute(type, data);
}

function nested(type: number, ...attributes: readonly Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

function attribute(type: number, value: Buffer): Buffer {
  const length = 4 + value.length;
  const bytes = Buffer.alloc(length + (-length & 3));
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** nlmsghdr and nfgenmsg before the attributes. The sequence number is set by `batch`. */
function message(type: number, flags: number, ...attributes: readonly Buffer[]): Buffer {
  return rawMessage((NFNL_SUBSYS_NFTABLES << 8) | type, flags | NLM_F_ACK, NFPROTO_INET, 0, attributes);
}

function rawMessage(
  type: number,
  flags: number,
  family: number,
  resource: number,
  attributes: readonly Buffer[],
): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags | NLM_F_REQUEST, 6);
  header.writeUInt8(family, 16);
  header.writeUInt16BE(resource, 18);
  const bytes = Buffer.concat([header, ...attributes]);
  bytes.writeUInt32LE(bytes.length, 0);
  return bytes;
}

/** Asks for all chains of the family inet. */
export function listChains(): Uint8Array {
  return rawMessage((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG.getChain, NLM_F_DUMP, NFPROTO_INET, 0, []);
}

/** Sequence numbers count from 1, the batch's own beginning being 0: an answer tells which message it is about. */
function batch(messages: readonly Buffer[]): Uint8Array {
  const frame = (type: number) => rawMessage(type, 0, 0, NFNL_SUBSYS_NFTABLES, []);
  const all = [frame(NFNL_MSG_BATCH_BEGIN), ...messages, frame(NFNL_MSG_BATCH_END)];
  for (const [sequence, bytes] of all.entries()) bytes.writeUInt32LE(sequence, 8);
  return Buffer.concat(all);
}
