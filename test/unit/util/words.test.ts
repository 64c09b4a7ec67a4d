import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinWords, splitWords } from '../../../src/util/words.ts';

describe('splitWords', () => {
  it.each([
    ['', []],
    ['  \t ', []],
    ['a b', ['a', 'b']],
    [' a \t b\n', ['a', 'b']],
    ['"a b" c', ['a b', 'c']],
    ["'a b' c", ['a b', 'c']],
    ['""', ['']],
    ['-Dx="a b"', ['-Dx=a b']],
    ['"it\'s"', ["it's"]],
    ['a\\ b', ['a\\ b']],
    ['a\\sb', ['a b']],
    ['\\x41\\101\\u0042\\U0001f600', ['AAB😀']],
    ["'\\n'", ['\n']],
    ['-Dre=\\d+', ['-Dre=\\d+']],
    ['$HOME *.jar ; rm | x', ['$HOME', '*.jar', ';', 'rm', '|', 'x']],
  ])('splits %j', (text, words) => expect(splitWords(text)).toEqual({ words }));

  it.each([
    ['a "b', 'a " that is not closed', 2],
    ["don't", "a ' that is not closed", 3],
    ['a \\', 'a backslash at the end', 2],
    ['a\\x00', 'an escape for the NUL character', 1],
    ['a\\000b', 'an escape for the NUL character', 1],
  ])('tells what is wrong with %j', (text, message, offset) =>
    expect(splitWords(text).problem).toEqual({ message, offset }),
  );

  it('gives back what joinWords wrote', () => {
    const word = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(splitWords(joinWords(words))).toEqual({ words });
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('\\', '"', "'", ' ', 'x', '0', 'u', 'U', 'd', '8') }), (text) => {
        splitWords(text);
      }),
    );
  });
});
