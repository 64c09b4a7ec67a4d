import { describe, expect, it } from 'vitest';
import { MetactlError } from '../../../src/util/error.ts';
import { quoted } from '../../../src/util/escape.ts';
import { hideIn, hideInData, hideInError, secretsIn, sortedSecrets } from '../../../src/util/secrets.ts';

describe('secretsIn', () => {
  it('finds what the masks stand for', () => {
    expect(secretsIn('hunter2', '***')).toEqual(['hunter2']);
    expect(secretsIn('postgres://u:hunter3@h/x', 'postgres://u:***@h/x')).toContain('hunter3');
    expect(new Set(secretsIn('a-hunter2-hunter3', 'a-***-***'))).toEqual(new Set(['hunter2', 'hunter3']));
    expect(secretsIn('plain', 'plain')).toEqual([]);
  });
  it('takes the words of one, and leaves out what is short', () => {
    expect(secretsIn('"correct ho rse"', '***')).toEqual(['"correct ho rse"', 'correct']);
    expect(secretsIn('abc', '***')).toEqual([]);
  });
});

describe('hideIn', () => {
  it('hides each, the longest first', () =>
    expect(hideIn('x hunter2 hunter22.jar', sortedSecrets(['hunter2', 'hunter22']))).toBe('x *** ***.jar'));
  it('hides what has become part of a path', () =>
    expect(hideIn('the jar /srv/ab/cd.jar and ab//cd/', secretsIn('ab//cd/', '***'))).toBe(
      'the jar /srv/***.jar and ***',
    ));
  it('hides what has become a name of a file', () =>
    expect(hideIn('/webapps/x-ab-cd.xml, ab--cd', secretsIn('ab/cd', '***').concat(secretsIn('ab//cd/', '***')))).toBe(
      '/webapps/x-***.xml, ***',
    ));
  it('hides what is escaped or cut', () => {
    expect(hideIn(quoted('ab\u202ecd'), secretsIn('ab\u202ecd', '***'))).toBe('`***`');
    const long = 'pass'.repeat(40);
    expect(hideIn(`found ${quoted(`/x/${long}`)}, expected y`, [long])).toBe('found `/x/***…`, expected y');
  });
  it('hides the longest beginning of any of many', () => {
    const many = sortedSecrets([...Array.from({ length: 500 }, (_, i) => `key-${i}-of-many`), 'of-another']);
    expect(hideIn('a key-41… b key-7… of-an… key-x…', many)).toBe('a ***… b ***… ***… key-x…');
    expect(hideIn('sec-secr… sec…', ['secret'])).toBe('sec-***… sec…');
  });
  it('does not stand still over long ones, nor over many', () => {
    const from = performance.now();
    const long = 'a'.repeat(128_000);
    hideIn(`${'a'.repeat(127_999)}b…`, [long]);
    hideIn(`${'aaaab…'.repeat(20_000)}`, sortedSecrets(Array.from({ length: 5000 }, (_, i) => `aaaa${i}`)));
    expect(performance.now() - from).toBeLessThan(3000);
  });
});

it('hideInData hides in lists and objects', () =>
  expect(hideInData({ a: ['hunter2', 1, { b: '/hunter2' }], c: undefined }, ['hunter2'])).toEqual({
    a: ['***', 1, { b: '/***' }],
    c: undefined,
  }));

it('hideInError hides in all that an error and its causes say', () => {
  const cause = new Error('no hunter2');
  const error = new MetactlError('execute `hunter2`', {
    code: 'ENOENT',
    step: 'execute hunter2',
    path: '/hunter2',
    hint: 'install hunter2',
    details: { problems: [{ message: 'hunter2' }] },
    cause,
  });
  expect(hideInError(error, ['hunter2'])).toBe(error);
  const { message, step, path, hint, details, stack } = error;
  expect(JSON.stringify([message, step, path, hint, details, stack, cause.message, cause.stack])).not.toContain(
    'hunter2',
  );
  expect(message).toBe('execute `***`');
});
