import { describe, expect, it } from 'vitest';
import { formatSize, parseSize } from '../../../src/util/size.ts';

describe('parseSize', () => {
  it.each([
    ['4096', 4096],
    ['256m', 268_435_456],
    ['256M', 268_435_456],
    ['2g', 2_147_483_648],
    ['1.5k', 1536],
    ['1t', 2 ** 40],
    ['0', 0],
    ['infinity', Number.POSITIVE_INFINITY],
  ])('reads %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', 'm', '-1m', '1mb', '1 m', '1e3', '99999999999999p', '0x10', 'INFINITY'])('refuses %j', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );

  it.each([0, 1, 1023, 1024, 268_435_456, 2 ** 41, Number.POSITIVE_INFINITY])('reads again what it writes of %d', (n) =>
    expect(parseSize(formatSize(n))).toBe(n),
  );
});
