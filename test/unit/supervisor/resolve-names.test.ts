import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { AT_ONCE, type Lookup, NameLookups, PER_APP } from '../../../src/supervisor/name-lookups.ts';
import { resolveNames } from '../../../src/supervisor/resolve-names.ts';

const failing = (code: string): Promise<never> => Promise.reject(Object.assign(new Error(code), { code }));
const never = (): Promise<never> => new Promise(() => {});
const resolve = (lookup: Lookup, names: readonly string[], patience?: number) =>
  resolveNames('shop', names, { lookups: new NameLookups(lookup), ...(patience === undefined ? {} : { patience }) });
const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

it('names are resolved to all their addresses, in one order, each once', async () => {
  const lookup: Lookup = async () => ['10.0.0.2', 'fe80::1', '10.0.0.1', '10.0.0.2'];
  expect(await resolve(lookup, ['db'])).toEqual(new Map([['db', { addresses: ['10.0.0.1', '10.0.0.2', 'fe80::1'] }]]));
});

it('IPv4 addresses in the clothes of IPv6 are what packets go to', async () => {
  const lookup: Lookup = async () => ['::ffff:192.0.2.1', '192.0.2.1', '::ffff:c000:1'];
  expect((await resolve(lookup, ['db'])).get('db')).toEqual({ addresses: ['192.0.2.1', '::ffff:c000:1'] });
});

it('what fails is told, and the rest goes on', async () => {
  const lookup: Lookup = (name) => (name === 'a' ? failing('ENOTFOUND') : Promise.resolve(['10.0.0.1']));
  const found = await resolve(lookup, ['a', 'b']);
  expect(found.get('a')).toEqual({ addresses: [], problem: 'ENOTFOUND' });
  expect(found.get('b')).toEqual({ addresses: ['10.0.0.1'] });
});

it('a resolver that never answers is not waited for', async () => {
  const lookup: Lookup = (name) => (name === 'quick' ? Promise.resolve([]) : never());
  const found = await resolve(lookup, ['quick', 'slow', 'slower', 'last'], 20);
  expect([...found].map(([name, { problem }]) => [name, problem])).toEqual([
    ['quick', undefined],
    ['slow', 'ETIMEOUT'],
    ['slower', 'ETIMEOUT'],
    ['last', 'ETIMEOUT'],
  ]);
});

it('no more than a few of an app are asked about at once', async () => {
  let now = 0;
  let most = 0;
  const lookup: Lookup = async () => {
    most = Math.max(most, ++now);
    await sleep(1);
    now--;
    return [];
  };
  expect((await resolve(lookup, numbered('n', 9))).size).toBe(9);
  expect(most).toBe(PER_APP);
});

describe('look-ups that hang', () => {
  const asked: string[] = [];
  const lookup: Lookup = (name) => {
    asked.push(name);
    return name.startsWith('tar') ? never() : Promise.resolve(['10.0.0.1']);
  };

  it('keep no other app waiting, and are not asked again', async () => {
    const lookups = new NameLookups(lookup);
    const evil = () => resolveNames('evil', numbered('tar', 64), { lookups, patience: 10 });
    for (let round = 0; round < 3; round++) await evil();
    expect(asked).toEqual(numbered('tar', PER_APP));
    const found = await resolveNames('shop', ['good'], { lookups, patience: 1_000 });
    expect(found.get('good')).toEqual({ addresses: ['10.0.0.1'] });
    // Nothing is left of what was given up.
    expect((await resolveNames('evil', ['good'], { lookups, patience: 10 })).get('good')?.problem).toBe('ETIMEOUT');
    expect(asked).toEqual([...numbered('tar', PER_APP), 'good']);
  });

  it('take no more threads than there are for all', async () => {
    let now = 0;
    const lookups = new NameLookups(() => {
      now++;
      return never();
    });
    const apps = numbered('app', AT_ONCE);
    await Promise.all(apps.map((app) => resolveNames(app, numbered(app, 9), { lookups, patience: 20 })));
    expect(now).toBe(AT_ONCE);
  });
});

it('apps share the answer of a look-up that is under way', async () => {
  let asked = 0;
  const lookups = new NameLookups(async () => {
    asked++;
    await sleep(5);
    return ['10.0.0.1'];
  });
  const found = await Promise.all(['shop', 'other'].map((app) => resolveNames(app, ['db'], { lookups })));
  expect(found.map((one) => one.get('db')?.addresses)).toEqual([['10.0.0.1'], ['10.0.0.1']]);
  expect(asked).toBe(1);
  await resolveNames('shop', ['db'], { lookups });
  expect(asked).toBe(2);
});
