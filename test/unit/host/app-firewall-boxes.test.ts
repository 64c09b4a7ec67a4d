import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, disjoint } from '../../../src/host/linux/app-firewall-boxes.ts';

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

  it('hold the same points as before, each once', () => {
    fc.assert(
      fc.property(fc.array(anyBox, { maxLength: 6 }), fc.tuple(fc.nat(6), fc.nat(6), fc.nat(6)), (boxes, point) => {
        const result = disjoint(boxes);
        const at = point.map(BigInt);
        expect(result.filter((one) => contains(one, at)).length).toBe(boxes.some((one) => contains(one, at)) ? 1 : 0);
        for (const [i, one] of result.entries()) {
          for (const other of result.slice(i + 1)) expect(overlap(one, other)).toBe(false);
        }
      }),
    );
  });
});
