import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeCall, messageSize } from '../../../../src/host/linux/systemd/dbus-message.ts';
import { DbusReader } from '../../../../src/host/linux/systemd/dbus-reader.ts';
import { splitSignature } from '../../../../src/host/linux/systemd/dbus-types.ts';
import { DbusWriter } from '../../../../src/host/linux/systemd/dbus-writer.ts';

function roundTrip(signature: string, value: unknown): unknown {
  const writer = new DbusWriter();
  // Not at the start, so that alignment matters.
  writer.value('y', 7);
  writer.value(signature, value);
  const reader = new DbusReader(writer.bytes());
  reader.forward(1);
  return reader.value(signature);
}

describe('a call', () => {
  const call = {
    serial: 1,
    destination: 'a.b',
    path: '/a',
    interface: 'a.c',
    member: 'Get',
    arguments: [
      ['u', 258],
      ['s', 'x'],
    ],
  } as const;

  it('is what the specification says, byte for byte', () => {
    const hex = encodeCall(call).toString('hex');
    // l, call, no flags, version 1; body of 10 bytes; serial 1; 72 bytes of header fields
    expect(hex.slice(0, 32)).toBe('6c0100010a0000000100000048000000');
    // field 1, o, "/a"
    expect(hex.slice(32, 32 + 32)).toBe('01016f00020000002f61000000000000');
    // the body: 258, then "x" with its length and NUL
    expect(hex.slice(-20)).toBe('02010000010000007800');
    expect(hex.length / 2).toBe(messageSize(encodeCall(call)));
  });

  it('can be read back', () => {
    expect(decodeMessage(encodeCall(call))).toEqual({
      type: 1,
      replyTo: undefined,
      errorName: undefined,
      body: [258, 'x'],
    });
  });

  it('without arguments has no body', () => {
    expect(decodeMessage(encodeCall({ ...call, arguments: [] })).body).toEqual([]);
  });
});

describe('values', () => {
  it('survive', () => {
    for (const [signature, value] of [
      ['y', 255],
      ['b', true],
      ['b', false],
      ['u', 0xffffffff],
      ['s', 'größer'],
      ['s', ''],
      ['o', '/org/freedesktop'],
      ['g', 'a(sv)'],
      ['au', [1, 2, 3]],
      ['as', []],
      [
        'a(su)',
        [
          ['a', 1],
          ['bcd', 2],
        ],
      ],
    ] as const) {
      expect(roundTrip(signature, value)).toEqual(value);
    }
    expect(
      roundTrip('a(sv)', [
        ['PIDs', ['au', [5]]],
        ['Delegate', ['b', true]],
      ]),
    ).toEqual([
      ['PIDs', [5]],
      ['Delegate', true],
    ]);
  });

  it('that are not known are refused', () => {
    expect(() => roundTrip('d', 1)).toThrow(new RangeError('D-Bus type d is not known here'));
    expect(() => new DbusReader(Buffer.alloc(8)).value('d')).toThrow(new RangeError('D-Bus type d is not known here'));
  });

  it('are taken apart by their types', () => {
    expect(splitSignature('ssa(sv)a(sa(sv))u')).toEqual(['s', 's', 'a(sv)', 'a(sa(sv))', 'u']);
    expect(() => splitSignature('(s')).toThrow(new RangeError('unclosed struct in the D-Bus signature (s'));
  });
});

describe('bytes that are no message', () => {
  it('are not waited for for ever', () => {
    expect(messageSize(Buffer.alloc(15))).toBeUndefined();
    expect(() => decodeMessage(Buffer.from(`B${'\0'.repeat(31)}`))).toThrow('not a little-endian D-Bus message');
    const text = Buffer.from([0x6c, 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 4, 1, 0x73, 0, 255, 0, 0, 0]);
    expect(() => decodeMessage(text)).toThrow('a D-Bus text goes beyond its message');
    const array = Buffer.from([0x6c, 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 255, 0, 0, 0]);
    expect(() => decodeMessage(array)).toThrow('a D-Bus array goes beyond its message');
  });

  it('throw RangeError and nothing else, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeMessage(Buffer.from([0x6c, 2, 0, 1, ...bytes]));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

it('a signal is passed over, whatever types it has', () => {
  const bytes = encodeCall({
    ...{ serial: 1, destination: 'a.b', path: '/', interface: 'a.b', member: 'C' },
    arguments: [['u', 1]],
  });
  bytes.write('{', bytes.indexOf('u\0'));
  expect(() => decodeMessage(bytes)).toThrow(RangeError);
  bytes[1] = 4;
  expect(decodeMessage(bytes)).toMatchObject({ type: 4, replyTo: undefined, body: [] });
});
