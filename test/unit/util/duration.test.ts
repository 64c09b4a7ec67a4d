import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/util/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['5s', 5000],
    ['2min', 120_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1w', 604_800_000],
    ['90', 90_000],
    ['1.5s', 1500],
    ['1min 30s', 90_000],
    ['1min30s', 90_000],
    ['250us', 0.25],
    ['0', 0],
    ['infinity', Number.POSITIVE_INFINITY],
  ])('reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', 's', '5 x', '-1s', '1e3s', '5S', '1..5s', '5s x', '0x10', 'toString', '1constructor', 'Infinity'])(
    'refuses %j',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );

  it.each([0, 250, 500, 5000, 90_000, 120_000, 3_600_000, 86_400_000, Number.POSITIVE_INFINITY])(
    'reads again what it writes of %d',
    (ms) => expect(parseDuration(formatDuration(ms))).toBe(ms),
  );
});
