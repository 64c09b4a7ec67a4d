import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidates, firstFreeBlock, parseMaps } from '../../../src/host/linux/id-blocks.ts';

const DEFAULT = [524_288, 1_879_048_191] as const;
const SIZE = 65_536;

describe('blocks of ids', () => {
  it('are aligned, inside the range, and each is tried once', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4_000_000 }),
        fc.integer({ min: 0, max: 4_000_000 }),
        fc.constantFrom('', '0', '3', 'beef', 'ffff'),
        (low, more, nodeId) => {
          const found = [...candidates([low, low + more], nodeId)];
          expect(new Set(found).size).toBe(found.length);
          for (const first of found) {
            expect(first % SIZE).toBe(0);
            expect(first).toBeGreaterThanOrEqual(low);
            expect(first + SIZE - 1).toBeLessThanOrEqual(low + more);
          }
        },
      ),
    ));

  it('of a moved root are none of /’s', () => {
    const range = [SIZE, 9 * SIZE - 1] as const;
    const own = [...candidates(range, '')];
    const moved = [...candidates(range, 'beef')];
    expect(own).toEqual([1, 2, 3, 4].map((at) => at * SIZE));
    expect([...moved].sort((a, b) => a - b)).toEqual([5, 6, 7, 8].map((at) => at * SIZE));
    // 0xbeef mod 4
    expect(moved[0]).toBe(8 * SIZE);
  });

  it('can be as few as one, which is everybody’s', () => {
    expect([...candidates([SIZE, 2 * SIZE - 1], '')]).toEqual([SIZE]);
    expect([...candidates([SIZE, 2 * SIZE - 1], 'beef')]).toEqual([SIZE]);
    expect([...candidates([SIZE + 1, 2 * SIZE], '')]).toEqual([]);
  });
});

describe('firstFreeBlock', () => {
  const none = { leased: [], uidRange: [70_000, 99_999] as const };

  it('never gives a block twice, whoever asks', () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom('', 'beef', '0001'), { maxLength: 6 }), (roots) => {
        const leased: number[] = [];
        for (const nodeId of roots) leased.push(firstFreeBlock(DEFAULT, nodeId, { ...none, leased }));
        expect(new Set(leased).size).toBe(leased.length);
      }),
      { numRuns: 10 },
    ));

  it('keeps clear of leased blocks that an older range has left askew, and of uid-range', () => {
    const free = firstFreeBlock(DEFAULT, '', none);
    expect(firstFreeBlock(DEFAULT, '', { ...none, leased: [free - 1] })).toBe(free + SIZE);
    expect(firstFreeBlock(DEFAULT, '', { leased: [], uidRange: [free + 5, free + SIZE] })).toBe(free + 2 * SIZE);
  });

  it('says so when there is none', () => {
    expect(() => firstFreeBlock([1000, 1999], '', none)).toThrow(
      expect.objectContaining({
        message: 'no 65536 ids in a row are free in 1000-1999',
        code: 'METACTL_IDS_EXHAUSTED',
        hint: 'make [node] subuid-range in metactl.conf larger, or purge apps that are gone',
      }),
    );
  });
});

describe('parseMaps', () => {
  it('gives the host’s side, but not of a map that is the whole host', () => {
    const maps = [
      '         0          0 4294967295\n',
      '         0     100000      65536\n',
      '0 1000 1\n1 200000 10\n',
      '',
    ];
    expect(parseMaps(maps)).toEqual([
      [100_000, 165_535],
      [1000, 1000],
      [200_000, 200_009],
    ]);
  });
});
