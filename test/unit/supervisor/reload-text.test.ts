import { expect, it } from 'vitest';
import { reloadText } from '../../../src/supervisor/reload-text.ts';

it('a reload tells what it did', () => {
  expect(reloadText('told', false)).toBe('was told to reload');
  expect(reloadText('no-signal', false)).toBe('has no reload-signal and was told nothing');
  expect(reloadText('told', true)).toBe('was told to reload; the names in [firewall.out.accept] were resolved again');
});
