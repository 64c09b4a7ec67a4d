import { expect, test } from 'vitest';
import { fileHead, parseLine, wholeCharacters } from '../../../../src/supervisor/logs/line.ts';

const time = Date.parse('2026-11-26T16:25:01.123Z');

test('the head of a line names time, pid and stream, and has a place for how the line ends', () => {
  const { bytes, mark } = fileHead({ stream: 'err', pid: 4711, time });
  expect(Buffer.from(bytes).toString()).toBe('2026-11-26T16:25:01.123Z 4711 err: ');
  expect(String.fromCharCode(bytes[mark]!)).toBe(':');
});

test('a line is read as it was written, byte for byte', () => {
  const text = Buffer.from([0x1b, 0x5b, 0x33, 0x31, 0x6d, 0xff, 0x00, 0x3a]);
  for (const mark of [':', '+', '~'] as const) {
    for (const stream of ['out', 'err', 'metactl'] as const) {
      const head = Buffer.from(`2026-11-26T16:25:01.123Z 4711 ${stream}${mark} `);
      expect(parseLine(Buffer.concat([head, text]))).toEqual({ time, pid: 4711, stream, mark, text });
    }
  }
  expect(parseLine(Buffer.from('2026-11-26T16:25:01.123Z 1 out: '))?.text.length).toBe(0);
});

test('what metactl did not write is no line', () => {
  for (const text of ['', 'hello', '2026-11-26T16:25:01.123Z 4711 out', '2026-11-26T16:25:01.123Z x out: a', ' 2026']) {
    expect(parseLine(Buffer.from(text))).toBeUndefined();
  }
  expect(parseLine(Buffer.from('2026-99-26T16:25:01.123Z 4711 out: a'))).toBeUndefined();
});

test('a cut does not go through a character', () => {
  const cut = (text: string, bytes: number) => wholeCharacters(Buffer.from(text).subarray(0, bytes));
  expect(cut('abc', 3)).toBe(3);
  expect([cut('aä', 2), cut('aä', 3)]).toEqual([1, 3]);
  expect([cut('a€', 2), cut('a€', 3), cut('a€', 4)]).toEqual([1, 1, 4]);
  expect([cut('a🙂', 2), cut('a🙂', 4), cut('a🙂', 5)]).toEqual([1, 1, 5]);
  // No UTF-8: nothing is held back for ever.
  expect(wholeCharacters(Buffer.from([0x80, 0x80, 0x80, 0x80]))).toBe(4);
  expect(wholeCharacters(Buffer.alloc(0))).toBe(0);
});
