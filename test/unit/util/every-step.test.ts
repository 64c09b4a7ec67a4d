import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { everyStep } from '../../../src/util/every-step.ts';

it('takes every step in its turn, and throws what the first that failed threw', async () => {
  const taken: number[] = [];
  const steps = [
    async () => {
      await sleep(5);
      taken.push(1);
    },
    () => {
      taken.push(2);
      throw new Error('second');
    },
    async () => {
      taken.push(3);
      throw new Error('third');
    },
    () => taken.push(4),
  ];
  await expect(everyStep(steps)).rejects.toThrow('second');
  expect(taken).toEqual([1, 2, 3, 4]);
  await everyStep([() => taken.push(5)]);
  expect(taken).toEqual([1, 2, 3, 4, 5]);
});
