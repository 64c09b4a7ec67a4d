import { named, nested, number } from './nft-attribute.ts';
import { encodeRule } from './nft-expression.ts';
import { elementLists, setAttributes } from './nft-set.ts';
import type { Hook, NftChain, NftTable } from './nft-types.ts';

/**
 * Transactions of nf_tables as bytes, so that tables are changed without a process: starting nft costs as much as three
 * launches. All that is in one transaction happens at once or not at all. Pure.
 */

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
/** NLM_F_ROOT and NLM_F_MATCH. */
const NLM_F_DUMP = 0x300;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;

const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
const NFPROTO_INET = 1;

const NFT_MSG = {
  newTable: 0,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  deleteChain: 5,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  deleteSet: 11,
  newElement: 12,
  getElement: 13,
  deleteElement: 14,
  newObject: 18,
  getObject: 19,
  deleteObject: 20,
} as const;
const HOOKS: Readonly<Record<Hook, number>> = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 };
const NF_ACCEPT = 1;
const COUNTER = 1;

/** One transaction that puts `table` in the place of what there is of that name. */
export function replaceTable(table: NftTable): Uint8Array {
  return batch([...emptyTable(table.name), newTable(table.name), ...declare(table), ...fill(table)]);
}

/** One transaction that removes a table, if it is there. */
export function removeTable(name: string): Uint8Array {
  return batch(emptyTable(name));
}

/**
 * One transaction that makes a part of a table, which is there, just so: chains, sets and members that are missing are made,
 * and the contents of those that are there replaced, but for counters and what rules have put into dynamic sets.
 * The chains of the hooks must be as they were made. What isn't in the part stays as it is.
 */
export function putPart(part: NftTable): Uint8Array {
  const flushed = (part.sets ?? [])
    .filter((set) => set.dynamic === undefined && !set.shared)
    .map((set) => message(NFT_MSG.deleteElement, 0, named(1, part.name), named(2, set.name)));
  const emptied = part.chains.map(({ name }) => message(NFT_MSG.deleteRule, 0, named(1, part.name), named(2, name)));
  return batch([...declare(part), ...emptied, ...flushed, ...fill(part)]);
}

/**
 * One transaction that removes a part of a table, whole or damaged. Nothing else may lead to it.
 * It is refused (ENOENT) where the table or a set that the part has members in isn't there.
 */
export function removePart(part: NftTable): Uint8Array {
  const { name } = part;
  const gone = (type: number, names: readonly string[]) =>
    names.map((one) => message(type, 0, named(1, name), named(2, one)));
  return batch([
    // Declared first, so that deleting never fails.
    ...declare(part),
    ...members(part, NFT_MSG.newElement, NLM_F_CREATE),
    ...members(part, NFT_MSG.deleteElement, 0),
    ...gone(NFT_MSG.deleteRule, namesOf(part.chains)),
    ...part.chains.map((chain) => message(NFT_MSG.deleteChain, 0, named(1, name), named(3, chain.name))),
    ...gone(NFT_MSG.deleteSet, namesOf(part.sets ?? [])),
    ...(part.counters ?? []).map((counter) =>
      message(NFT_MSG.deleteObject, 0, named(1, name), named(2, counter), number(3, COUNTER)),
    ),
  ]);
}

/**
 * One transaction that puts other elements in the place of those that the part's sets have: no packet sees a set without
 * them. Rules stay.
 */
export function refillSets(part: NftTable): Uint8Array {
  const { name, sets = [] } = part;
  const flushed = sets.map((set) => message(NFT_MSG.deleteElement, 0, named(1, name), named(2, set.name)));
  return batch([...flushed, ...contents({ name, sets, chains: [] })]);
}

/** Asks for all chains of the family inet. */
export function listChains(): Uint8Array {
  return rawMessage((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG.getChain, NLM_F_DUMP, NFPROTO_INET, 0, []);
}

/** Asks for single chains: one answer each, NFT_MSG_NEWCHAIN or an error, in order. */
export function askChains(table: string, chains: readonly string[]): Uint8Array {
  const asked = chains.map((chain) => query(NFT_MSG.getChain, 0, named(1, table), named(3, chain)));
  return numbered(asked);
}

/** Asks for each member that a part has in other parts' sets: what isn't there is answered by ENOENT. */
export function askMembers(part: NftTable): Uint8Array {
  return numbered(members(part, NFT_MSG.getElement, 0));
}

/** Asks for the elements of a set. */
export function listElements(table: string, set: string): Uint8Array {
  return query(NFT_MSG.getElement, NLM_F_DUMP, named(1, table), named(2, set));
}

/** Asks for the rules of a chain. */
export function listRules(table: string, chain: string): Uint8Array {
  return query(NFT_MSG.getRule, NLM_F_DUMP, named(1, table), named(2, chain));
}

/** Asks for a named counter. */
export function askCounter(table: string, counter: string): Uint8Array {
  return query(NFT_MSG.getObject, 0, named(1, table), named(2, counter), number(3, COUNTER));
}

function namesOf(things: readonly { readonly name: string }[]): string[] {
  return things.map(({ name }) => name);
}

function newTable(name: string): Buffer {
  return message(NFT_MSG.newTable, NLM_F_CREATE, named(1, name));
}

/** Declared first, so that deleting it never fails. */
function emptyTable(name: string): Buffer[] {
  return [newTable(name), message(NFT_MSG.deleteTable, 0, named(1, name))];
}

/** Counters, sets and chains, without what is in them; those that are there stay as they are. */
function declare({ name, counters = [], sets = [], chains }: NftTable): Buffer[] {
  return [
    ...counters.map((counter) =>
      message(NFT_MSG.newObject, NLM_F_CREATE, named(1, name), named(2, counter), number(3, COUNTER), nested(4)),
    ),
    ...sets.map((set, index) =>
      message(NFT_MSG.newSet, NLM_F_CREATE, named(1, name), ...setAttributes(set, index + 1)),
    ),
    ...chains.map((chain) => newChain(name, chain)),
  ];
}

function newChain(table: string, { name, base }: NftChain): Buffer {
  return message(NFT_MSG.newChain, NLM_F_CREATE, named(1, table), named(3, name), ...(base ? baseChain(base) : []));
}

function baseChain({ type = 'filter', hook, priority }: NonNullable<NftChain['base']>): Buffer[] {
  return [nested(4, number(1, HOOKS[hook]), number(2, priority)), number(5, NF_ACCEPT), named(7, type)];
}

/** Elements and rules; last the members of other parts' sets, which may lead to the chains. */
function fill(table: NftTable): Buffer[] {
  const rules = table.chains.flatMap((chain) =>
    chain.rules.map((rule) => {
      const expressions = nested(4, ...encodeRule(rule));
      const flags = NLM_F_CREATE | NLM_F_APPEND;
      return message(NFT_MSG.newRule, flags, named(1, table.name), named(2, chain.name), expressions);
    }),
  );
  return [...contents(table), ...rules, ...members(table, NFT_MSG.newElement, NLM_F_CREATE)];
}

function contents({ name, sets = [] }: NftTable): Buffer[] {
  return sets.flatMap((set) =>
    elementLists(set, set.elements ?? []).map((list) =>
      message(NFT_MSG.newElement, NLM_F_CREATE, named(1, name), named(2, set.name), list),
    ),
  );
}

function members({ name, elements = [] }: NftTable, type: number, flags: number): Buffer[] {
  return elements.flatMap(({ set, elements: some }) =>
    elementLists(set, some).map((list) => message(type, flags, named(1, name), named(2, set.name), list)),
  );
}

/** nlmsghdr and nfgenmsg before the attributes. The sequence number is set by `batch`. */
function message(type: number, flags: number, ...attributes: readonly Buffer[]): Buffer {
  return rawMessage((NFNL_SUBSYS_NFTABLES << 8) | type, flags | NLM_F_ACK, NFPROTO_INET, 0, attributes);
}

function query(type: number, flags: number, ...attributes: readonly Buffer[]): Buffer {
  return rawMessage((NFNL_SUBSYS_NFTABLES << 8) | type, flags, NFPROTO_INET, 0, attributes);
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

/** Sequence numbers count from 1, the batch's own beginning being 0: an answer tells which message it is about. */
function batch(messages: readonly Buffer[]): Uint8Array {
  const frame = (type: number) => rawMessage(type, 0, 0, NFNL_SUBSYS_NFTABLES, []);
  return numbered([frame(NFNL_MSG_BATCH_BEGIN), ...messages, frame(NFNL_MSG_BATCH_END)]);
}

function numbered(messages: readonly Buffer[]): Uint8Array {
  for (const [sequence, bytes] of messages.entries()) bytes.writeUInt32LE(sequence, 8);
  return Buffer.concat(messages);
}
