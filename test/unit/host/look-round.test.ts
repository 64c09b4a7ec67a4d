import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { lookRegularly } from '../../../src/host/linux/look-round.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('few are looked at every 0.9 s each', () => {
  const looked = [0, 0, 0];
  const stops = looked.map((_, i) => lookRegularly(() => looked[i]!++ || undefined));
  vi.advanceTimersByTime(9_000);
  expect(looked).toEqual([10, 10, 10]);
  for (const stop of stops) stop();
});

it('many are looked at in turns, one every 50 ms', () => {
  const looked = Array.from({ length: 300 }, () => 0);
  const stops = looked.map((_, i) => lookRegularly(() => looked[i]!++ || undefined));
  vi.advanceTimersByTime(15_000);
  expect(looked.every((times) => times === 1)).toBe(true);
  for (const stop of stops) stop();
});

it('nobody is looked at any more, once, however often that is said', () => {
  let first = 0;
  let second = 0;
  const stop = lookRegularly(() => first++ || undefined);
  const other = lookRegularly(() => second++ || undefined);
  stop();
  stop();
  vi.advanceTimersByTime(1_800);
  expect([first, second]).toEqual([0, 2]);
  other();
  vi.advanceTimersByTime(9_000);
  expect(second).toBe(2);
});
