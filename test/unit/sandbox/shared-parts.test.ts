import { expect, it } from 'vitest';
import { SharedParts } from '../../../src/sandbox/shared-parts.ts';

it('makes each part once, and gives the same one to all', () => {
  const parts = new SharedParts();
  let made = 0;
  const make = () => ({ number: ++made });
  const first = parts.once('root', make);
  expect(parts.once('root', make)).toBe(first);
  expect(parts.once('root /run/socket', make)).toEqual({ number: 2 });
});
