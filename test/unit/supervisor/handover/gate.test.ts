import { expect, it } from 'vitest';
import { Gate } from '../../../../src/supervisor/handover/gate.ts';

it('a gate lets go on what was begun, and begins nothing while it is closed', async () => {
  const gate = new Gate();
  const done: string[] = [];
  let finish = () => {};
  const first = gate.pass(async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    done.push('first');
  });
  expect(gate.isBusy).toBe(true);
  gate.close();
  const second = gate.pass(async () => done.push('second'));
  finish();
  await first;
  await Promise.resolve();
  expect([gate.isBusy, done]).toEqual([false, ['first']]);
  gate.open();
  await second;
  expect(done).toEqual(['first', 'second']);
});

it('what fails is done too', async () => {
  const gate = new Gate();
  await expect(gate.pass(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(gate.isBusy).toBe(false);
});
