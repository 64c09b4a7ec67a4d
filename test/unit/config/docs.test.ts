import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configurationDocs, helpKeys } from '../../../src/config/docs.ts';
import { APP_SECTIONS, NODE_SECTIONS } from '../../../src/config/schema/index.ts';
import { readValue } from '../../../src/config/values.ts';
import { platforms } from '../../../src/platform/index.ts';

it('docs/configuration.md is what `npm run docs` would write', () => {
  const file = join(import.meta.dirname, '../../../docs/configuration.md');
  expect(readFileSync(file, 'utf8')).toBe(configurationDocs(platforms));
});

it('tells every key, in the page and on the terminal', () => {
  const page = configurationDocs(platforms);
  const help = helpKeys(platforms);
  const keys = [...APP_SECTIONS, ...NODE_SECTIONS, ...platforms].flatMap((owner) => owner.keys.map(({ key }) => key));
  expect(keys.length).toBeGreaterThan(90);
  for (const key of keys.filter((name) => name !== '*')) {
    const shown = key.replace(/\.\*$/, '.NAME');
    expect(page).toContain(`| \`${shown}\` |`);
    expect(help).toContain(`\n  ${shown} `);
  }
});

it('has only defaults and bounds that are valid values', () => {
  for (const owner of [...APP_SECTIONS, ...NODE_SECTIONS, ...platforms]) {
    for (const key of owner.keys) {
      for (const text of [key.default, key.bound]) {
        if (text !== undefined) expect([key.key, text, readValue(key, text)]).not.toContain(undefined);
      }
    }
  }
});

/** Durations that no timer waits for: they are compared with, or given to the kernel. */
const UNTIMED = ['log.max-age', 'start-limit-interval-sec'];

it('has no duration that a timer waits for and can overflow it: it would fire at once, again and again', () => {
  const durations = [...APP_SECTIONS, ...NODE_SECTIONS, ...platforms]
    .flatMap(({ keys }) => keys)
    .filter(({ key, type, unbuilt }) => type === 'duration' && unbuilt === undefined && !UNTIMED.includes(key));
  expect(durations.map(({ key }) => key)).toContain('resolve-interval');
  for (const { key, max } of durations) expect([key, max]).toEqual([key, 24 * 86_400_000]);
});

it('names no key twice in a section', () => {
  for (const owner of [...APP_SECTIONS, ...NODE_SECTIONS, ...platforms]) {
    const names = owner.keys.flatMap((key) => [key.key, ...(key.aliases ?? [])]);
    expect(names).toEqual([...new Set(names)]);
  }
});

it('keeps every doc to one sentence or two, and says something', () => {
  for (const owner of [...APP_SECTIONS, ...NODE_SECTIONS]) {
    expect(owner.doc).toMatch(/\.$|…$/);
    for (const key of owner.keys) expect(key.doc).toMatch(/^\S.{8,}[.…]$/);
  }
});
