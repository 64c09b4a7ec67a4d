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
const TYPE_MASK = 0x3fff;

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

/** Attributes as text without their terminating zero, the only kind that is asked for here. */
function attributesOf(bytes: Buffer): Map<number, string> {
  const found = new Map<number, string>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(
      bytes.readUInt16LE(at + 2) & TYPE_MASK,
      bytes.toString('utf8', at + 4, at + length).replace(/\0.*$/s, ''),
    );
    at += length + (-length & 3);
  }
  return found;
}
