import { expect, it } from 'vitest';
import { type Lookup, resolveNames } from '../../../src/supervisor/resolve-names.ts';

const failing = (code: string): Promise<never> => Promise.reject(Object.assign(new Error(code), { code }));

it('names are resolved to all their addresses, in one order, each once, without a zone', async () => {
  const lookup: Lookup = async () =>
    ['10.0.0.2', 'fe80::1%eth0', '10.0.0.1', '10.0.0.2'].map((address) => ({ address }));
  expect(await resolveNames(['db'], { lookup })).toEqual(
    new Map([['db', { addresses: ['10.0.0.1', '10.0.0.2', 'fe80::1'] }]]),
  );
});

it('what fails is told, and the rest goes on', async () => {
  const lookup: Lookup = (name) => (name === 'a' ? failing('ENOTFOUND') : Promise.resolve([{ address: '10.0.0.1' }]));
  const found = await resolveNames(['a', 'b'], { lookup });
  expect(found.get('a')).toEqual({ addresses: [], problem: 'ENOTFOUND' });
  expect(found.get('b')).toEqual({ addresses: ['10.0.0.1'] });
});

it('a resolver that never answers is not waited for', async () => {
  const lookup: Lookup = (name) => (name === 'quick' ? Promise.resolve([]) : new Promise(() => {}));
  const found = await resolveNames(['quick', 'slow', 'slower', 'last'], { lookup, patience: 20 });
  expect([...found].map(([name, { problem }]) => [name, problem])).toEqual([
    ['quick', undefined],
    ['slow', 'ETIMEOUT'],
    ['slower', 'ETIMEOUT'],
    ['last', 'ETIMEOUT'],
  ]);
});

it('no more than two are asked about at once', async () => {
  let now = 0;
  let most = 0;
  const lookup: Lookup = async () => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 1));
    now--;
    return [];
  };
  await resolveNames(['a', 'b', 'c', 'd', 'e'], { lookup });
  expect(most).toBe(2);
});
