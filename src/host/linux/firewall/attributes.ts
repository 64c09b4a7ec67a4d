/** Netlink messages and attributes as nfnetlink's dumps have them (netlink(7), linux/netfilter/nfnetlink.h). Pure. */

const NLM_F_REQUEST = 0x1;
/** NLM_F_ROOT and NLM_F_MATCH. */
const NLM_F_DUMP = 0x300;
const NLMSG_DONE = 3;
const NFNL_SUBSYS_NFTABLES = 10;
/** Lengths of nlmsghdr and nfgenmsg. */
const HEADER = 16;
const NFGENMSG = 4;
const TYPE_MASK = 0x3fff;

/** One object of a dump: its nf_tables message type, its family and its attributes. */
export interface Dumped {
  readonly type: number;
  readonly family: number;
  readonly attributes: Attributes;
}

export type Attributes = ReadonlyMap<number, Buffer>;

/** Asks for all objects that the nf_tables message `type` gets; `attributes` are text with a terminating zero. */
export function dumpRequest(type: number, family: number, attributes: Readonly<Record<number, string>> = {}): Buffer {
  const encoded = Object.entries(attributes).map(([kind, text]) => {
    const value = Buffer.from(`${text}\0`);
    const bytes = Buffer.alloc(4 + value.length + (-value.length & 3));
    bytes.writeUInt16LE(4 + value.length, 0);
    bytes.writeUInt16LE(Number(kind), 2);
    value.copy(bytes, 4);
    return bytes;
  });
  const header = Buffer.alloc(HEADER + NFGENMSG);
  header.writeUInt16LE((NFNL_SUBSYS_NFTABLES << 8) | type, 4);
  header.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  header.writeUInt8(family, HEADER);
  const message = Buffer.concat([header, ...encoded]);
  message.writeUInt32LE(message.length, 0);
  return message;
}

/** @returns undefined where the dump is not whole: the kernel refused it, or the rules changed meanwhile. */
export function readDump(answer: Uint8Array): Dumped[] | undefined {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  const found: Dumped[] = [];
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    const type = bytes.readUInt16LE(at + 4);
    if (length < HEADER || at + length > bytes.length) return undefined;
    if (type === NLMSG_DONE) return found;
    if (type >> 8 === NFNL_SUBSYS_NFTABLES && length >= HEADER + NFGENMSG) {
      const attributes = attributesOf(bytes.subarray(at + HEADER + NFGENMSG, at + length));
      found.push({ type: type & 0xff, family: bytes.readUInt8(at + HEADER), attributes });
    }
    at += length + (-length & 3);
  }
  return undefined;
}

/** Of several attributes of one type the last; lists are read by `listOf`. */
export function attributesOf(bytes: Buffer | undefined): Attributes {
  return new Map(each(bytes));
}

/** The values of a list, in order. */
export function listOf(bytes: Buffer | undefined): Buffer[] {
  return [...each(bytes)].map(([, value]) => value);
}

export function textOf(bytes: Buffer | undefined): string {
  return bytes?.toString('utf8').replace(/\0.*$/s, '') ?? '';
}

/** nf_tables' numbers are big-endian. */
export function numberOf(bytes: Buffer | undefined): number | undefined {
  return bytes !== undefined && bytes.length >= 4 ? bytes.readInt32BE(0) : undefined;
}

function* each(bytes: Buffer | undefined): Generator<[number, Buffer]> {
  if (bytes === undefined) return;
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) return;
    yield [bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length)];
    at += length + (-length & 3);
  }
}
