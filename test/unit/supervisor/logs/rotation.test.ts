import { expect, test } from 'vitest';
import {
  expiredFiles,
  isRotationDue,
  rotatedFiles,
  rotatedName,
  stampAfter,
} from '../../../../src/supervisor/logs/rotation.ts';

const noon = Date.parse('2026-11-26T12:00:00.000Z');
const day = 86_400_000;
const rotation = { maxSize: 1000, daily: true, maxFiles: 3, maxAge: 10 * day };

test('names of rotated files say when they were complete, and whose they are', () => {
  expect(rotatedName('web', noon)).toBe('web.20261126T120000.000Z.log');
  const names = [
    'web.log',
    'web.20261127T120000.000Z.log.gz',
    'web.20261126T120000.000Z.log',
    'web-2.20261126T120000.000Z.log',
    'web.20261127T120000.000Z.log',
    'web.20261127T120000.000Z.log.gz.new',
    'web.20261399T120000.000Z.log',
    'web.bak',
  ];
  expect(rotatedFiles('web', names)).toEqual([
    { name: 'web.20261126T120000.000Z.log', at: noon, compressed: false },
    { name: 'web.20261127T120000.000Z.log.gz', at: noon + day, compressed: true },
  ]);
});

test('stamps only grow, also where the clock is set back', () => {
  const files = rotatedFiles('web', [rotatedName('web', noon)]);
  expect(stampAfter(files, noon + 5)).toBe(noon + 5);
  expect(stampAfter(files, noon - 3_600_000)).toBe(noon + 1);
  expect(stampAfter([], noon + 0.7)).toBe(noon);
});

test('a file is rotated before it gets too large, and when a day begins', () => {
  const due = (size: number, bytes: number, now: number, modified = noon, more = {}) =>
    isRotationDue({ size, modified }, bytes, now, { ...rotation, ...more });
  expect(due(900, 100, noon)).toBe(false);
  expect(due(901, 100, noon)).toBe(true);
  expect(due(0, 5000, noon)).toBe(false);
  expect(due(1, 1, noon + day / 2 - 1)).toBe(false);
  expect(due(1, 1, noon + day / 2)).toBe(true);
  expect(due(1, 1, noon + day / 2, noon, { daily: false })).toBe(false);
  expect(due(1, 1, noon - 5 * day)).toBe(false);
});

test('old and surplus files go, the oldest first', () => {
  const files = [1, 2, 3, 4, 5].map((n) => ({ name: `${n}`, at: noon + n * day, compressed: true }));
  const names = (now: number, more = {}) => expiredFiles(files, now, { ...rotation, ...more }).map(({ name }) => name);
  expect(names(noon + 5 * day)).toEqual(['1', '2']);
  expect(names(noon + 14 * day + 1)).toEqual(['1', '2', '3', '4']);
  expect(names(noon + 99 * day, { maxAge: Number.POSITIVE_INFINITY })).toEqual(['1', '2']);
  expect(names(noon, { maxFiles: 0 })).toEqual(['1', '2', '3', '4', '5']);
});
