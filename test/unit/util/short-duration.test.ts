import { expect, it } from 'vitest';
import { shortDuration } from '../../../src/util/short-duration.ts';

it.each([
  [-5, '0ms'],
  [350, '350ms'],
  [119_999, '119s'],
  [120_000, '2min'],
  [3_600_000, '1h'],
  [3_900_000, '1h 5min'],
  [90_000_000, '1d 1h'],
])('%d ms is %s', (milliseconds, text) => {
  expect(shortDuration(milliseconds)).toBe(text);
});
