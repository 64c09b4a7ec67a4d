import { expect, it } from 'vitest';
import { whenCalm } from '../../../src/host/linux/when-calm.ts';

it('does what waits one after the other, in order, and of the same only the last', async () => {
  const done: string[] = [];
  const [first, second] = [{}, {}];
  const all = new Promise<void>((resolve) => {
    whenCalm(first, async () => void done.push('given up'));
    whenCalm(second, async () => {
      done.push('second');
      throw new Error('nobody’s concern');
    });
    whenCalm(first, async () => void done.push('first'));
    whenCalm({}, async () => {
      done.push('last');
      resolve();
    });
  });
  expect(done).toEqual([]);
  await all;
  expect(done).toEqual(['first', 'second', 'last']);
});
