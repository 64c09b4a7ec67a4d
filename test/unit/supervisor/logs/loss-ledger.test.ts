import { expect, it } from 'vitest';
import { LossLedger } from '../../../../src/supervisor/logs/loss-ledger.ts';

it('adds up what is lost, from the first line to the last, and knows whether it goes on', () => {
  const ledger = new LossLedger();
  expect(ledger.loss).toBeUndefined();
  ledger.add(0, '/log', 'EMSGSIZE', undefined, 500);
  expect(ledger.loss).toBeUndefined();
  ledger.add(3, '/log', 'ENOSPC', true, 1000);
  const first = { lines: 3, to: '/log', error: 'ENOSPC', since: 1000, last: 1000, lasting: true };
  expect(ledger.loss).toEqual(first);
  ledger.add(2, '/log', 'ENOSPC', undefined, 2000);
  expect(ledger.loss).toEqual({ ...first, lines: 5, last: 2000 });
  // Tried again in vain, without a line.
  ledger.add(0, '/log', 'EIO', true, 3000);
  const told = { ...first, lines: 5, error: 'EIO', last: 2000 };
  expect(ledger.loss).toEqual(told);
  const next = new LossLedger(ledger.loss);
  ledger.over();
  expect(ledger.loss).toEqual({ ...told, lasting: false });
  next.add(1, '/log', 'EIO', true, 4000);
  expect(next.loss).toEqual({ ...told, lines: 6, last: 4000 });
});

it('of what works again, without a loss, says nothing', () => {
  const ledger = new LossLedger();
  ledger.over();
  expect(ledger.loss).toBeUndefined();
});
