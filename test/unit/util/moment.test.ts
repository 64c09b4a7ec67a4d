import { expect, test } from 'vitest';
import { parseMoment } from '../../../src/util/moment.ts';

const now = new Date(2026, 10, 26, 16, 25, 1).getTime();
const at = (...parts: [number, number, number, number?, number?, number?]) =>
  new Date(parts[0], parts[1] - 1, parts[2], parts[3] ?? 0, parts[4] ?? 0, parts[5] ?? 0).getTime();

test('moments by the local clock', () => {
  expect(parseMoment('2026-11-25', now)).toBe(at(2026, 11, 25));
  expect(parseMoment('2026-11-25 14:03', now)).toBe(at(2026, 11, 25, 14, 3));
  expect(parseMoment(' 2026-11-25T14:03:09 ', now)).toBe(at(2026, 11, 25, 14, 3, 9));
  expect(parseMoment('9:05', now)).toBe(at(2026, 11, 26, 9, 5));
  expect(parseMoment('09:05:06', now)).toBe(at(2026, 11, 26, 9, 5, 6));
  expect(parseMoment('today', now)).toBe(at(2026, 11, 26));
  expect(parseMoment('yesterday', now)).toBe(at(2026, 11, 25));
});

test('moments anywhere', () => {
  expect(parseMoment('2026-11-26T16:25:01.5Z', now)).toBe(Date.UTC(2026, 10, 26, 16, 25, 1, 500));
  expect(parseMoment('2026-11-26T16:25+02:00', now)).toBe(Date.UTC(2026, 10, 26, 14, 25));
  expect(parseMoment('@1764174301.5', now)).toBe(1_764_174_301_500);
  expect(parseMoment('now', now)).toBe(now);
});

test('how long ago', () => {
  expect(parseMoment('10min', now)).toBe(now - 600_000);
  expect(parseMoment('-1h', now)).toBe(now - 3_600_000);
  expect(parseMoment('2d ago', now)).toBe(now - 2 * 86_400_000);
  expect(parseMoment('1h 30min ago', now)).toBe(now - 5_400_000);
});

test('what is no moment', () => {
  for (const text of [
    '',
    'tomorrow',
    '2026-02-30',
    '25:00',
    '12:60',
    '2026-11-26T99:00Z',
    '17',
    'infinity',
    '-infinity',
    'ago',
  ]) {
    expect([text, parseMoment(text, now)]).toEqual([text, undefined]);
  }
});
