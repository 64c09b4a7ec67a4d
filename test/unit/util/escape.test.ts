import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeLines, escapeText, quoted } from '../../../src/util/escape.ts';

describe('escapeText', () => {
  it.each([
    ['\x1b[31mred\x1b[0m', '\\x1b[31mred\\x1b[0m'],
    ['\x9b31m', '\\x9b31m'],
    ['a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['\0\x07\x7f', '\\x00\\x07\\x7f'],
    ['user\u202egnp.exe', 'user\\u202egnp.exe'],
    ['\u2066\u2069\u200f\u061c', '\\u2066\\u2069\\u200f\\u061c'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
    ['a\u2028b', 'a\\u2028b'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800x', '\\ud800x'],
  ])('makes %j visible', (text, safe) => expect(escapeText(text)).toBe(safe));

  it.each(['plain', 'Grüße, 日本語, 😀', 'C:\\x', "it's"])('leaves %s', (text) => expect(escapeText(text)).toBe(text));

  it('leaves nothing a terminal acts on', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeText(text)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });
});

it('escapeLines keeps line feeds and tabs only', () => expect(escapeLines('a\n\tb\r\x1b')).toBe('a\n\tb\\r\\x1b'));

it('quoted cuts long text', () => {
  expect(quoted('a`b\x1b')).toBe('`a`b\\x1b`');
  expect(quoted('x'.repeat(70))).toBe(`\`${'x'.repeat(60)}…\``);
});
