/**
 * Netlink attributes as bytes (netlink(7)). Netlink's own fields are in host byte order, which is little-endian on every
 * machine that Node runs on; nf_tables' numbers are big-endian. Pure.
 */

const NLA_F_NESTED = 0x8000;

/** NFTA_…_TABLE, _CHAIN, _NAME: text with its terminating zero. */
export function named(type: number, text: string): Buffer {
  return attribute(type, Buffer.from(`${text}\0`));
}

/** 32 bits, big-endian; negative numbers as their two's complement. */
export function number(type: number, value: number): Buffer {
  return attribute(type, bigEndian(value));
}

/** 64 bits, big-endian. */
export function longNumber(type: number, value: bigint): Buffer {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(value);
  return attribute(type, data);
}

export function nested(type: number, ...attributes: readonly Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

/** @throws RangeError beyond the 16 bits of an attribute's length. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const length = 4 + value.length;
  const bytes = Buffer.alloc(length + (-length & 3));
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

/** Four bytes. */
export function bigEndian(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(value >>> 0);
  return data;
}

/** Four bytes in host byte order, as the kernel keeps what it makes itself (connection states, address types). */
export function hostOrder(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(value >>> 0);
  return data;
}
