/** What nfnetlink answers, from its bytes (netlink(7), linux/netfilter/nf_tables.h). Pure. */

/** The kernel's refusal of one message. */
export interface Refusal {
  /** Positive. */
  readonly errno: number;
  /** The kernel's own words; '' where it has none. */
  readonly text: string;
}

export interface NftChainName {
  readonly table: string;
  readonly chain: string;
}

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NFT_MSG_NEWCHAIN = (10 << 8) | 3;
/** Lengths of nlmsghdr, nlmsgerr and nfgenmsg. */
const HEADER = 16;
const ERROR = 20;
const NFGENMSG = 4;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_USE = 6;
const NFT_MSG_NEWSETELEM = (10 << 8) | 12;
const NFT_MSG_NEWOBJ = (10 << 8) | 18;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_EXPIRATION = 5;
const NFTA_SET_ELEM_EXPR = 7;
const NFTA_SET_ELEM_KEY_END = 10;
const NFT_MSG_NEWRULE = (10 << 8) | 6;
const NFTA_DATA_VALUE = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_OBJ_DATA = 4;
const NFTA_COUNTER_BYTES = 1;
const NFTA_COUNTER_PACKETS = 2;
const TYPE_MASK = 0x3fff;
/** The table's name is the first attribute of all messages. */
const NFTA_TABLE = 1;
/** NFT_MSG_DELTABLE, _DELCHAIN, _DELRULE, _DELSET and _DELSETELEM, with the attribute that says of what; 0: of the table. */
const REMOVALS: ReadonlyMap<number, number> = new Map([
  [(10 << 8) | 2, 0],
  [(10 << 8) | 5, NFTA_CHAIN_NAME],
  [(10 << 8) | 8, 2],
  [(10 << 8) | 11, 2],
  [(10 << 8) | 14, 2],
]);

interface Message {
  readonly type: number;
  readonly flags: number;
  readonly data: Buffer;
}

/** The first refusal among the answers to a transaction, if any; `acknowledged` counts the messages that were accepted. */
export function readOutcome(answers: Uint8Array): { refusal: Refusal | undefined; acknowledged: number } {
  let acknowledged = 0;
  for (const { type, flags, data } of messagesOf(answers)) {
    if (type !== NLMSG_ERROR || data.length < 4) continue;
    const errno = -data.readInt32LE(0);
    if (errno !== 0) return { refusal: { errno, text: wordsOf(flags, data) }, acknowledged };
    acknowledged++;
  }
  return { refusal: undefined, acknowledged };
}

/** @returns undefined where the list is not whole. */
export function readChains(answers: Uint8Array): NftChainName[] | undefined {
  const chains: NftChainName[] = [];
  for (const { type, data } of messagesOf(answers)) {
    if (type === NLMSG_DONE) return chains;
    if (type !== NFT_MSG_NEWCHAIN) continue;
    const attributes = attributesOf(data.subarray(NFGENMSG));
    chains.push({ table: attributes.get(NFTA_CHAIN_TABLE) ?? '', chain: attributes.get(NFTA_CHAIN_NAME) ?? '' });
  }
  return undefined;
}

/** Rules in each chain that was asked for, by name; those that aren't there are absent. */
export function readRuleCounts(answers: Uint8Array): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { type, data } of messagesOf(answers)) {
    if (type !== NFT_MSG_NEWCHAIN) continue;
    const name = attributesOf(data.subarray(NFGENMSG)).get(NFTA_CHAIN_NAME) ?? '';
    const uses = valuesOf(data.subarray(NFGENMSG)).get(NFTA_CHAIN_USE);
    counts.set(name, uses?.length === 4 ? uses.readUInt32BE() : 0);
  }
  return counts;
}

export interface Counts {
  readonly packets: number;
  readonly bytes: number;
}

/** One element of a dynamic set. */
export interface SeenElement extends Counts {
  /** The fields, each padded to four bytes. */
  readonly key: Buffer;
  /** Milliseconds until it goes, unless it is seen again. */
  readonly expires: number;
}

/** The elements in what a set's listing was answered with; none where there is no such set. */
export function readElements(answers: Uint8Array): SeenElement[] {
  const found: SeenElement[] = [];
  for (const { type, data } of messagesOf(answers)) {
    if (type !== NFT_MSG_NEWSETELEM) continue;
    const list = valuesOf(data.subarray(NFGENMSG)).get(NFTA_SET_ELEM_LIST_ELEMENTS);
    for (const [, element] of list === undefined ? [] : pairsOf(list)) {
      const values = valuesOf(element);
      const key = below(values, NFTA_SET_ELEM_KEY).get(NFTA_DATA_VALUE);
      const expires = Number(big(values.get(NFTA_SET_ELEM_EXPIRATION)));
      const counter = below(below(values, NFTA_SET_ELEM_EXPR), NFTA_EXPR_DATA);
      if (key !== undefined) found.push({ key, expires, ...countsOf(counter) });
    }
  }
  return found;
}

/** What somebody took from a table: chains, rules of a chain, elements of a set; '' stands for the table itself. */
export interface Removal {
  readonly table: string;
  readonly from: string;
}

/** Reads what the kernel tells of changes: what was made is left out. */
export function readRemovals(events: Uint8Array): Removal[] {
  return [...messagesOf(events)].flatMap(({ type, data }): Removal[] => {
    const named = REMOVALS.get(type);
    if (named === undefined) return [];
    const attributes = attributesOf(data.subarray(NFGENMSG));
    return [{ table: attributes.get(NFTA_TABLE) ?? '', from: named === 0 ? '' : (attributes.get(named) ?? '') }];
  });
}

/** How many rules a listing has. */
export function countRules(answers: Uint8Array): number {
  return [...messagesOf(answers)].filter(({ type }) => type === NFT_MSG_NEWRULE).length;
}

/** The elements of a set's listing as texts, each of them another: first and last value. */
export function elementTexts(answers: Uint8Array): Set<string> {
  const found = new Set<string>();
  for (const { type, data } of messagesOf(answers)) {
    if (type !== NFT_MSG_NEWSETELEM) continue;
    const list = valuesOf(data.subarray(NFGENMSG)).get(NFTA_SET_ELEM_LIST_ELEMENTS);
    if (list !== undefined) for (const text of listTexts(list)) found.add(text);
  }
  return found;
}

/** The same of what NFTA_SET_ELEM_LIST_ELEMENTS has. */
export function listTexts(list: Buffer): string[] {
  return pairsOf(list).map(([, element]) => {
    const values = valuesOf(element);
    const text = (part: number) => below(values, part).get(NFTA_DATA_VALUE)?.toString('hex') ?? '';
    return `${text(NFTA_SET_ELEM_KEY)}-${text(NFTA_SET_ELEM_KEY_END)}`;
  });
}

/** A named counter; undefined where there is none. */
export function readCounter(answers: Uint8Array): Counts | undefined {
  for (const { type, data } of messagesOf(answers)) {
    if (type === NFT_MSG_NEWOBJ) return countsOf(below(valuesOf(data.subarray(NFGENMSG)), NFTA_OBJ_DATA));
  }
  return undefined;
}

function countsOf(counter: ReadonlyMap<number, Buffer>): Counts {
  const read = (type: number) => Number(big(counter.get(type)));
  return { packets: read(NFTA_COUNTER_PACKETS), bytes: read(NFTA_COUNTER_BYTES) };
}

function big(value: Buffer | undefined): bigint {
  return value?.length === 8 ? value.readBigUInt64BE() : 0n;
}

function below(values: ReadonlyMap<number, Buffer>, type: number): Map<number, Buffer> {
  const value = values.get(type);
  return value === undefined ? new Map() : valuesOf(value);
}

/** The request is not echoed (NETLINK_CAP_ACK): after nlmsgerr come attributes only. */
function wordsOf(flags: number, data: Buffer): string {
  return (flags & NLM_F_ACK_TLVS) === 0 ? '' : (attributesOf(data.subarray(ERROR)).get(NLMSGERR_ATTR_MSG) ?? '');
}

function* messagesOf(answers: Uint8Array): Generator<Message> {
  const bytes = Buffer.from(answers.buffer, answers.byteOffset, answers.byteLength);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER || at + length > bytes.length) return;
    yield {
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      data: bytes.subarray(at + HEADER, at + length),
    };
    at += length + (-length & 3);
  }
}

/** Attributes as text without their terminating zero. */
function attributesOf(bytes: Buffer): Map<number, string> {
  return new Map(pairsOf(bytes).map(([type, value]) => [type, value.toString('utf8').replace(/\0.*$/s, '')]));
}

function valuesOf(bytes: Buffer): Map<number, Buffer> {
  return new Map(pairsOf(bytes));
}

function pairsOf(bytes: Buffer): [number, Buffer][] {
  const found: [number, Buffer][] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.push([bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length)]);
    at += length + (-length & 3);
  }
  return found;
}
