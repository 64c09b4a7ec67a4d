import { expect, it } from 'vitest';
import { RepairPace } from '../../../src/host/linux/repair-pace.ts';

const SECOND = 1_000;

it('what is taken away now and then is put back at once; in a fight the pauses double, up to five minutes', () => {
  const pace = new RepairPace();
  let now = 5 * SECOND;
  for (let i = 1; i <= 5; i++) expect(pace.note(i * SECOND)).toBe(0);
  expect(pace.ready(now)).toBe(true);
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) {
    const pause = pace.note(now);
    pauses.push(pause / SECOND);
    expect(pace.ready(now + pause - 1)).toBe(false);
    now += pause;
    expect(pace.ready(now)).toBe(true);
  }
  expect(pauses).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  // Ten minutes of quiet, and it is forgotten.
  expect(pace.note(now + 601 * SECOND)).toBe(0);
});

it('five repairs in an hour are no fight', () => {
  const pace = new RepairPace();
  for (let i = 0; i < 100; i++) expect(pace.note(i * 20 * SECOND)).toBe(0);
});
