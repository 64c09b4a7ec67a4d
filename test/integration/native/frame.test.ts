import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { logs } from '../../../src/host/linux/logs.ts';
import { MARK } from '../../../src/supervisor/logs/line.ts';
import { frameLines } from '../../helpers/frame-lines.ts';

const head = { bytes: Buffer.from('T 1 out: '), mark: 7 };

function framed(frame: typeof frameLines, text: Uint8Array, room: number, longest: number, last: number = MARK.ended) {
  const output = Buffer.alloc(room + 3, 0x23);
  const { consumed, written } = frame(text, output, 3, head, longest, last);
  return { consumed, text: output.subarray(0, 3 + written).toString('latin1'), after: output.subarray(3 + written) };
}

test('lines get their head and their mark', () => {
  const { consumed, text } = framed(logs.frame, Buffer.from('one\n\nthree'), 100, 50, MARK.unfinished);
  expect(text).toBe('###T 1 out: one\nT 1 out: \nT 1 out~ three\n');
  expect(consumed).toBe(10);
});

test('long lines are split between characters, and what has no room is left', () => {
  const { text } = framed(logs.frame, Buffer.from('abcdef€\n'), 100, 7);
  expect(Buffer.from(text, 'latin1').toString()).toBe('###T 1 out+ abcdef\nT 1 out: €\n');
  const full = framed(logs.frame, Buffer.from('one\ntwo\n'), 20, 50);
  expect(full).toMatchObject({ consumed: 4, text: '###T 1 out: one\n' });
  expect(full.after.every((byte) => byte === 0x23)).toBe(true);
});

test('any bytes are framed as by a slow and simple way', () => {
  const byte = fc.oneof(fc.constant(10), fc.nat(255), fc.constantFrom(0x61, 0xc3, 0xa4, 0xf0, 0x9f, 0x99, 0x82));
  fc.assert(
    fc.property(
      fc.array(byte, { maxLength: 120 }).map((bytes) => Buffer.from(bytes)),
      fc.nat(400),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(MARK.continued, MARK.unfinished),
      (text, room, longest, last) => {
        expect(framed(logs.frame, text, room, longest, last)).toEqual(framed(frameLines, text, room, longest, last));
      },
    ),
    { numRuns: 2000 },
  );
});

test('a wrong number is refused before anything is written', () => {
  const output = Buffer.alloc(10);
  const frame = (at: number, mark: number, longest: number) => () =>
    logs.frame(Buffer.from('a\n'), output, at, { bytes: head.bytes, mark }, longest, 0);
  for (const wrong of [frame(-1, 0, 5), frame(11, 0, 5), frame(0, 9, 5), frame(0, -1, 5), frame(0, 0, 0)]) {
    expect(wrong).toThrow('frameLines: a number is out of range');
  }
});
