import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

const SOURCE = `(function () {
  function one(list) { return list.map((n) => n + 1).filter(function named(n) { return n > 1; }); }
  class Two { get three() { return one([1]); } four2() { return 'four'; } }
  return { one, Two };
})`;

/** Size of the code cache that is made for functions of these names. @throws Error where V8 refuses it. */
function sizeFor(...names: string[]): number {
  const script = `
    import { Script } from 'node:vm';
    import { compileNamed } from ${JSON.stringify(join(REPOSITORY, 'scripts/compile-named.mjs'))};
    const source = ${JSON.stringify(SOURCE)};
    const cachedData = compileNamed(source, '/probe.js', new Set(${JSON.stringify(names)})).createCachedData();
    if (new Script(source, { filename: '/probe.js', cachedData }).cachedDataRejected) throw new Error('refused');
    console.log(cachedData.length);`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }));
}

test('a cache holds the functions of a list, and what in them has no name', () => {
  const none = sizeFor();
  const one = sizeFor('one');
  const inner = sizeFor('one', 'named');
  const getter = sizeFor('one', 'get three');
  expect(one).toBeGreaterThan(none);
  expect(inner).toBeGreaterThan(one);
  expect(getter).toBeGreaterThan(one);
  // esbuild numbers names that it meets twice.
  expect(sizeFor('four')).toBeGreaterThan(none);
  expect(sizeFor('nobody')).toBe(none);
});

test('the list of what run calls is one of names, in order', () => {
  const names = readFileSync(join(REPOSITORY, 'scripts/run-functions.txt'), 'utf8').trim().split('\n');
  expect(names).toEqual([...new Set(names)].sort());
  expect(names).toContain('prepare');
});
