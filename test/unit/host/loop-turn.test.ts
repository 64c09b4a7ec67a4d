import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { loopTurn } from '../../../src/host/linux/loop-turn.ts';

it('counts the turns in which it is asked', async () => {
  const first = loopTurn();
  await Promise.resolve();
  expect(loopTurn()).toBe(first);
  await nextTurn();
  const second = loopTurn();
  expect(second).not.toBe(first);
  expect(loopTurn()).toBe(second);
});
