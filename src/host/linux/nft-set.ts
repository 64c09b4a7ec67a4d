import { attribute, hostOrder, longNumber, named, nested, number } from './nft-attribute.ts';
import { factsOf, type NumberRange, paddedSize, parseValue, valueBytes } from './nft-data.ts';
import { leadTo } from './nft-expression.ts';
import type { DataType, NftElement, NftSet } from './nft-types.ts';

/** Sets, maps and their elements as attributes (linux/netfilter/nf_tables.h). Pure. */

const FLAGS = { interval: 0x4, map: 0x8, timeout: 0x10, eval: 0x20, concatenation: 0x80 } as const;
/** NFT_DATA_VERDICT */
const VERDICT_TYPE = 0xffffff00;
/** nft's user data of a set: in which byte order its key is, so that `nft list` prints networks as such. */
const KEY_BYTE_ORDER = 0;
const HOST_ORDER = 1;
const BIG_ENDIAN = 2;
/** Bits of each type's number in the number of a concatenation. */
const TYPE_BITS = 6;
const INTERVAL_END = 1;
/** An attribute's length has 16 bits; elements take 160 bytes at most. */
const ELEMENTS_PER_MESSAGE = 300;

/** The attributes of NFT_MSG_NEWSET, but for the table. `id` tells the sets of one transaction apart. */
export function setAttributes(set: NftSet, id: number): Buffer[] {
  const isConcatenation = set.key.length > 1;
  const flags =
    (set.interval ? FLAGS.interval | (isConcatenation ? FLAGS.concatenation : 0) : 0) |
    (set.data === undefined ? 0 : FLAGS.map) |
    (set.dynamic === undefined ? 0 : FLAGS.timeout | FLAGS.eval);
  const order = isConcatenation ? 0 : factsOf(set.key[0]!).hostOrder ? HOST_ORDER : BIG_ENDIAN;
  return [
    named(2, set.name),
    number(3, flags),
    number(4, typeNumber(set.key)),
    number(5, keySize(set.key)),
    ...(set.data === undefined ? [] : dataAttributes(set.data)),
    number(10, id),
    ...description(set),
    ...(set.dynamic === undefined ? [] : [longNumber(11, BigInt(set.dynamic.timeout) * 1000n)]),
    attribute(13, Buffer.concat([Buffer.of(KEY_BYTE_ORDER, 4), hostOrder(order)])),
  ];
}

function dataAttributes(data: NonNullable<NftSet['data']>): Buffer[] {
  if (data === 'verdict') return [number(6, VERDICT_TYPE), number(7, 0)];
  return [number(6, typeNumber(data)), number(7, keySize(data))];
}

/** NFTA_SET_DESC: the greatest number of elements; the sizes of the fields, for intervals of concatenations. */
function description({ key, interval, dynamic }: NftSet): Buffer[] {
  const fields = key.map((type) => nested(1, number(1, factsOf(type).bytes)));
  const parts = [
    ...(dynamic === undefined ? [] : [number(1, dynamic.size)]),
    ...(interval && key.length > 1 ? [nested(2, ...fields)] : []),
  ];
  return parts.length === 0 ? [] : [nested(9, ...parts)];
}

function typeNumber(types: readonly DataType[]): number {
  return types.reduce((number, type) => (number << TYPE_BITS) | factsOf(type).id, 0);
}

function keySize(types: readonly DataType[]): number {
  return types.length === 1 ? factsOf(types[0]!).bytes : types.reduce((size, type) => size + paddedSize(type), 0);
}

/** NFTA_SET_ELEM_LIST_ELEMENTS of as many messages as it takes. @throws TypeError for elements of another type. */
export function elementLists(set: NftSet, elements: readonly NftElement[]): Buffer[] {
  const encoded = elements.flatMap((element) => encodeElement(set, element));
  const lists: Buffer[] = [];
  for (let at = 0; at < encoded.length; at += ELEMENTS_PER_MESSAGE) {
    lists.push(nested(3, ...encoded.slice(at, at + ELEMENTS_PER_MESSAGE)));
  }
  return lists;
}

function encodeElement(set: NftSet, { key, data }: NftElement): Buffer[] {
  const ranges = rangesOf(set.key, key);
  const first = ranges.map(({ first: value }) => value);
  const last = ranges.map(({ last: value }) => value);
  const value = data === undefined ? [] : [nested(2, elementData(set, data))];
  const start = nested(1, attribute(1, bytesOf(set.key, first)));
  if (!set.interval) return [nested(1, start, ...value)];
  if (set.key.length > 1) return [nested(1, start, ...value, nested(10, attribute(1, bytesOf(set.key, last))))];
  // What follows the range ends it, unless nothing does.
  const next = last[0]! + 1n;
  const isLast = next >> BigInt(factsOf(set.key[0]!).bytes * 8) > 0n;
  const end = () => nested(1, number(3, INTERVAL_END), nested(1, attribute(1, bytesOf(set.key, [next]))));
  return [nested(1, start, ...value), ...(isLast ? [] : [end()])];
}

function elementData(set: NftSet, data: NonNullable<NftElement['data']>): Buffer {
  if ('jump' in data || 'goto' in data) return leadTo(data);
  if (set.data === undefined || set.data === 'verdict') throw new TypeError(`the set ${set.name} has no such data`);
  const values = rangesOf(set.data, data).map(({ first }) => first);
  return attribute(1, bytesOf(set.data, values));
}

function rangesOf(types: readonly DataType[], texts: readonly string[]): NumberRange[] {
  if (types.length !== texts.length) throw new TypeError(`expected ${types.join(' . ')}, got ${texts.join(' . ')}`);
  return types.map((type, index) => parseValue(type, texts[index]!));
}

function bytesOf(types: readonly DataType[], values: readonly bigint[]): Buffer {
  const padded = types.length > 1;
  return Buffer.concat(types.map((type, index) => valueBytes(type, values[index]!, padded)));
}
