import { expect, test } from 'vitest';
import { linesOf, sinceOf } from '../../../src/cli/logs.ts';
import { formatterOf, logJson } from '../../../src/cli/logs-text.ts';
import { pagerWords } from '../../../src/cli/pager.ts';
import type { LogRecord } from '../../../src/supervisor/logs/read/reader.ts';

const record: LogRecord = {
  daemon: 'web',
  time: Date.parse('2026-11-26T16:25:01.123Z'),
  pid: 7,
  stream: 'out',
  mark: ':',
  text: Buffer.from('hello\tworld'),
};
const plain = { app: 'shop', width: 0, raw: false, json: false, color: false };

test('a line has its time and stream, and the daemon where there are several', () => {
  expect(formatterOf(plain)(record)).toBe('2026-11-26T16:25:01.123Z out: hello\tworld\n');
  expect(formatterOf({ ...plain, width: 5 })({ ...record, stream: 'err', mark: '+' })).toBe(
    '2026-11-26T16:25:01.123Z web   err+ hello\tworld\n',
  );
});

test('nothing steers the terminal but metactl itself', () => {
  const nasty = Buffer.concat([Buffer.from('\x1b[2Jü\u202e\x07\r'), Buffer.from([0xff, 0xc3, 0x28, 0x9b])]);
  expect(formatterOf(plain)({ ...record, text: nasty })).toBe(
    '2026-11-26T16:25:01.123Z out: \\x1b[2Jü\\u202e\\x07\\r\\xff\\xc3(\\x9b\n',
  );
  const colored = formatterOf({ ...plain, color: true })({ ...record, stream: 'err', text: Buffer.from('\x1b[0m') });
  expect(colored).toBe('\x1b[2m2026-11-26T16:25:01.123Z err:\x1b[0m \x1b[31m\\x1b[0m\x1b[0m\n');
});

test('--raw gives the bytes, and a line feed only where there was one', () => {
  const raw = formatterOf({ ...plain, raw: true });
  const text = Buffer.from([0x1b, 0xff]);
  expect(raw({ ...record, text })).toEqual(Buffer.from([0x1b, 0xff, 10]));
  expect(raw({ ...record, text, mark: '+' })).toEqual(text);
  expect(raw({ ...record, text, mark: '~' })).toEqual(text);
});

test('--json tells everything, and its text is harmless', () => {
  expect(logJson('shop', record)).toEqual({
    time: '2026-11-26T16:25:01.123Z',
    app: 'shop',
    daemon: 'web',
    stream: 'out',
    pid: 7,
    message: 'hello\tworld',
  });
  const text = Buffer.concat([Buffer.from('\u202e\u{e0041}\x9b'), Buffer.from([0xff])]);
  const line = formatterOf({ ...plain, json: true })({ ...record, mark: '~', text }) as string;
  expect(line).toContain('"message":"\\u202e\\udb40\\udc41\\u009b\ufffd"');
  expect(JSON.parse(line)).toMatchObject({ bytes: text.toString('base64'), unended: true });
  expect(JSON.parse(line).message).toBe('\u202e\u{e0041}\x9b\ufffd');
  expect(logJson('shop', { ...record, mark: '+' })).toMatchObject({ continued: true });
});

test('a time and a number that are none', () => {
  expect(sinceOf(undefined, 0)).toBe(0);
  expect(sinceOf('@5', 0)).toBe(5000);
  expect(() => sinceOf('soon', 0)).toThrow('found the time `soon`, expected one such as "2026-11-26 16:25" or 10min');
  expect([linesOf(undefined), linesOf('0'), linesOf('12')]).toEqual([undefined, 0, 12]);
  expect(() => linesOf('-3')).toThrow('found `-3` for -n, expected how many lines');
});

test('the pager is the one that is asked for', () => {
  expect(pagerWords({ TERM: 'xterm' })).toEqual(['less']);
  expect([pagerWords({ TERM: 'dumb' }), pagerWords({})]).toEqual([undefined, undefined]);
  expect(pagerWords({ PAGER: 'more -d' })).toEqual(['more', '-d']);
  for (const PAGER of ['', ' ', 'cat']) expect(pagerWords({ PAGER, TERM: 'xterm' })).toBeUndefined();
});
