import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, disjoint } from '../../../src/util/boxes.ts';

const box = (...ranges: [number, number][]): Box => ranges.map(([a, b]) => ({ first: BigInt(a), last: BigInt(b) }));
const contains = (one: Box, point: readonly bigint[]) =>
  one.every(({ first, last }, i) => point[i]! >= first && point[i]! <= last);
const overlap = (a: Box, b: Box) => a.every((range, i) => range.first <= b[i]!.last && range.last >= b[i]!.first);

const range = fc.tuple(fc.nat(6), fc.nat(6)).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
const anyBox = fc.tuple(range, range, range).map((ranges) => box(...ranges));

describe('boxes without overlap', () => {
  it('leave what is in another one out, and cut what sticks out', () => {
    const wide = box([0, 9], [0, 9]);
    expect(disjoint([box([3, 4], [3, 4]), wide, wide])).toEqual([wide]);
    expect(disjoint([wide, box([5, 12], [5, 5])])).toEqual([wide, box([10, 12], [5, 5])]);
    expect(disjoint([])).toEqual([]);
  });

  it('are as many as allowed, and found out soon', () => {
    const ports = Array.from({ length: 40 }, (_, i) => box([0, 999], [2 * i, 2 * i]));
    const networks = Array.from({ length: 40 }, (_, i) => box([10 * i, 10 * i + 5], [0, 99]));
    expect(disjoint([...ports, ...networks])).toHaveLength(40 + 40 * 40);
    expect(disjoint([...ports, ...networks], 40 + 40 * 40)).toHaveLength(40 + 40 * 40);
    expect(disjoint([...ports, ...networks], 1639)).toBeUndefined();
    expect(disjoint([box([0, 1]), box([0, 1])], 1)).toBeUndefined();
  });

  it('take no long time, however they overlap', () => {
    // Each of the last is whole in the first ones, but only all of them together hold it.
    const stripes = Array.from({ length: 512 }, (_, i) => box([0, 99_999], [(i * 2) % 513, (i * 2) % 513]));
    const covered = Array.from({ length: 512 }, (_, i) => box([i, i], [0, 511]));
    const began = performance.now();
    expect(disjoint([...stripes, ...covered], 1024)).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('hold the same points as before, each once', () => {
    fc.assert(
      fc.property(fc.array(anyBox, { maxLength: 6 }), fc.tuple(fc.nat(6), fc.nat(6), fc.nat(6)), (boxes, point) => {
        const result = disjoint(boxes)!;
        const at = point.map(BigInt);
        expect(result.filter((one) => contains(one, at)).length).toBe(boxes.some((one) => contains(one, at)) ? 1 : 0);
        for (const [i, one] of result.entries()) {
          for (const other of result.slice(i + 1)) expect(overlap(one, other)).toBe(false);
        }
      }),
    );
  });
});
