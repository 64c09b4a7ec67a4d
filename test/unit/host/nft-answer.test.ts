import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  readChains,
  readCounter,
  readElements,
  readOutcome,
  readRuleCounts,
} from '../../../src/host/linux/nft-answer.ts';

const ERROR = 2;
const DONE = 3;
const NEW_CHAIN = 0xa03;

function message(type: number, flags: number, data: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + data.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  return Buffer.concat([header, data, Buffer.alloc(-data.length & 3)]);
}

function attribute(type: number, text: string): Buffer {
  const value = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(4);
  head.writeUInt16LE(4 + value.length, 0);
  head.writeUInt16LE(type, 2);
  return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)]);
}

/** nlmsgerr: the negative errno, then the header of the message it is about. */
function answer(errno: number, text?: string): Buffer {
  const error = Buffer.alloc(20);
  error.writeInt32LE(-errno, 0);
  return text === undefined
    ? message(ERROR, 0x100, error)
    : message(ERROR, 0x300, Buffer.concat([error, attribute(1, text)]));
}

function chain(table: string, name: string): Buffer {
  return message(NEW_CHAIN, 2, Buffer.concat([Buffer.of(1, 0, 0, 1), attribute(1, table), attribute(3, name)]));
}

describe('answers of nfnetlink', () => {
  it('count what was accepted', () => {
    expect(readOutcome(Buffer.concat([answer(0), answer(0)]))).toEqual({ refusal: undefined, acknowledged: 2 });
    expect(readOutcome(Buffer.alloc(0))).toEqual({ refusal: undefined, acknowledged: 0 });
  });

  it('tell the first refusal, with the kernel’s words where it has any', () => {
    expect(readOutcome(Buffer.concat([answer(0), answer(34, 'too long'), answer(1)]))).toEqual({
      refusal: { errno: 34, text: 'too long' },
      acknowledged: 1,
    });
    expect(readOutcome(answer(2)).refusal).toEqual({ errno: 2, text: '' });
  });

  it('list chains, and only whole lists', () => {
    const list = [chain('metactl', 'forward'), chain('metactl-ab12', 'uplink-0-80-eth0')];
    const names = [
      { table: 'metactl', chain: 'forward' },
      { table: 'metactl-ab12', chain: 'uplink-0-80-eth0' },
    ];
    expect(readChains(Buffer.concat([...list, message(DONE, 2, Buffer.alloc(4))]))).toEqual(names);
    expect(readChains(Buffer.concat(list))).toBeUndefined();
    expect(readChains(answer(1))).toBeUndefined();
  });

  const raw = (type: number, value: Buffer) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(4 + value.length, 0);
    head.writeUInt16LE(type, 2);
    return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)]);
  };
  const long = (type: number, value: number) => {
    const data = Buffer.alloc(8);
    data.writeBigUInt64BE(BigInt(value));
    return raw(type, data);
  };
  const counts = (bytes: number, packets: number) => Buffer.concat([long(1, bytes), long(2, packets)]);
  const generic = Buffer.of(1, 0, 0, 1);

  it('tell how many rules a chain has', () => {
    const one = message(NEW_CHAIN, 0, Buffer.concat([generic, attribute(3, 'c'), raw(6, Buffer.of(0, 0, 0, 7))]));
    expect(readRuleCounts(Buffer.concat([one, answer(2)]))).toEqual(new Map([['c', 7]]));
  });

  it('tell a counter, if it is there', () => {
    const object = message(0xa12, 0, Buffer.concat([generic, attribute(2, 'n'), raw(4, counts(90, 2))]));
    expect(readCounter(object)).toEqual({ packets: 2, bytes: 90 });
    expect(readCounter(answer(2))).toBeUndefined();
  });

  it('tell the elements of a dynamic set', () => {
    const key = Buffer.of(10, 0, 0, 1);
    const counter = Buffer.concat([attribute(1, 'counter'), raw(2, counts(60, 1))]);
    const element = Buffer.concat([raw(1, raw(1, key)), long(5, 1500), raw(7, counter)]);
    const list = message(0xa0c, 0, Buffer.concat([generic, raw(3, raw(1, element))]));
    expect(readElements(list)).toEqual([{ key, expires: 1500, packets: 1, bytes: 60 }]);
    expect(readElements(answer(2))).toEqual([]);
  });

  it('never hang or throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        readOutcome(bytes);
        readChains(bytes);
        readRuleCounts(bytes);
        readCounter(bytes);
        readElements(bytes);
      }),
    );
  });
});
