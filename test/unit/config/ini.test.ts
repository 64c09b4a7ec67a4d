import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'ini';
import { describe, expect, it } from 'vitest';
import { handOver, printItems } from '../../../src/config/print.ts';
import { type Item, scan } from '../../../src/config/scan.ts';
import { MetactlError } from '../../../src/util/error.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/config');

function files(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && (entry.name.endsWith('.conf') || entry.name === '.metactl'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What the scanner says, as `section NUL key` → value; of repeated keys the last. */
function ofScanner(items: readonly Item[]): Map<string, string> {
  return new Map(items.flatMap((item) => (item.kind === 'entry' ? [[`${item.section}\0${item.key}`, item.raw]] : [])));
}

/** What `ini` made of the same sections; its nesting undone by walking along the scanner's section names. */
function ofIni(text: string, items: readonly Item[]): Map<string, string> {
  const parsed: Record<string, unknown> = parse(text);
  const found = new Map<string, string>();
  for (const section of new Set(items.map((item) => item.section))) {
    let level: unknown = parsed;
    for (const part of section.split('.')) level = (level as Record<string, unknown> | undefined)?.[part];
    for (const [key, value] of Object.entries((level as Record<string, unknown> | undefined) ?? {})) {
      if (typeof value !== 'object') found.set(`${section}\0${key}`, String(value));
    }
  }
  return found;
}

const places = (items: readonly Item[]) =>
  items.map((item) => (item.kind === 'header' ? [item.section] : [item.section, item.key, item.raw]));

const valid = files(join(FIXTURES, 'valid')).concat(files(join(FIXTURES, 'myapp')));

describe('the scanner and ini', () => {
  it('have fixtures to agree on', () => expect(valid.length).toBeGreaterThanOrEqual(6));

  it.each(valid)('agree on what is handed over of %s', (file) => {
    const { items, problems } = scan(readFileSync(file, 'utf8'), file);
    expect(problems).toEqual([]);
    expect(ofIni(handOver(items), items)).toEqual(ofScanner(items));
  });

  it.each(files(join(FIXTURES, 'invalid')))('agree on the readable part of %s', (file) => {
    const { items, problems } = scan(readFileSync(file, 'utf8'), file);
    expect(problems.length).toBeGreaterThan(0);
    expect(ofIni(handOver(items), items)).toEqual(ofScanner(items));
  });

  it.each(files(join(FIXTURES, 'myapp')))('agree on %s as it is', (file) => {
    const text = readFileSync(file, 'utf8');
    const { items } = scan(text, file);
    expect(ofIni(text, items)).toEqual(ofScanner(items));
  });
});

const noise = fc.string({
  unit: fc.constantFrom(
    ...'[]=;#"\'\\ \t\r\n%().:ab',
    '\u2028',
    'é',
    '__proto__',
    '\ufeff',
    '\0',
    '\x1b',
    '[a]\n',
    'k = ',
  ),
  maxLength: 200,
});
const name = fc.stringMatching(/^[a-zA-Z_/][a-zA-Z0-9_/-]{0,8}$/);
const value = fc.string({ unit: fc.constantFrom(...'ab=;#"\'\\ \t%().:[]é\u2028😀'), maxLength: 40 });
const file = fc
  .array(fc.record({ section: name, entries: fc.array(fc.record({ key: name, value }), { maxLength: 5 }) }), {
    maxLength: 5,
  })
  .map((sections) =>
    sections
      .map(({ section, entries }) => `[${section}]\n${entries.map((e) => `${e.key} = ${e.value}`).join('\n')}\n`)
      .join(''),
  );

describe('for any text', () => {
  it('nothing but a MetactlError is thrown, and no prototype is reached', () => {
    fc.assert(
      fc.property(noise, (text) => {
        try {
          const { items } = scan(text, 'f');
          const parsed = parse(handOver(items));
          expect(Object.getPrototypeOf(parsed)).toBeNull();
        } catch (error) {
          expect(error).toBeInstanceOf(MetactlError);
        }
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(({} as Record<string, unknown>).a).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  it('a value that looks like a comment is printed as a value', () => {
    const { items } = scan('[s]\na=#b\nc=;d\n', 'f');
    expect(printItems(items)).toBe('[s]\na =#b\nc =;d\n');
    expect(places(scan(printItems(items), 'f').items)).toEqual(places(items));
  });

  it('reading what was printed gives the same again', () => {
    fc.assert(
      fc.property(fc.oneof(file, noise), (text) => {
        const first = scan(text, 'f').items;
        const printed = printItems(first);
        const second = scan(printed, 'f');
        expect(places(second.items)).toEqual(places(first));
        expect(printItems(second.items)).toBe(printed);
      }),
      { numRuns: 2000 },
    );
  });

  it('ini agrees on what is handed over', () => {
    fc.assert(
      fc.property(fc.oneof(file, noise), (text) => {
        const { items, problems } = scan(text, 'f');
        // A key and a section of one name, and a repeated key, are told; there the two can't agree.
        fc.pre(problems.length === 0);
        expect(ofIni(handOver(items), items)).toEqual(ofScanner(items));
      }),
      { numRuns: 2000 },
    );
  });
});
