import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gcText } from '../../../src/cli/gc.ts';
import { jsonText, remarkText } from '../../../src/cli/print.ts';
import { purgeText } from '../../../src/cli/purge.ts';
import { errorJson, errorText } from '../../../src/cli/report.ts';
import { configurationError } from '../../../src/config/messages.ts';
import { errorOf, errorRecord } from '../../../src/supervisor/control/protocol.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { escapeOutput } from '../../../src/util/escape.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

/** Whatever `.metactl`, a file name or a process can hold must not reach root's terminal as more than characters. */

/** C0 without the line feed, DEL, C1, and what turns the direction of a line. */
const STEERS = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom('\x1b[2J', '\x9b31m', '\n', '\r', '\t', '\0', '\u202e', 'metactl: ', '\n    at x', 'a'))
    .map((parts) => parts.join('')),
);
const errors = fc
  .record({ message: hostile, code: hostile, step: hostile, path: hostile, hint: hostile, cause: hostile })
  .map(({ message, cause, ...fields }) => new MetactlError(message, { ...fields, cause: new Error(cause) }));

/** Lines of an error that are neither its message nor one of its fields. */
function strangeLines(text: string): string[] {
  const [first, ...rest] = text.slice(0, -1).split('\n');
  expect(first).toMatch(/^metactl: /);
  return rest.filter((line) => !/^ {2}(step|path|hint): /.test(line));
}

describe('what an error shows', () => {
  it('is one line each for message, step, path and hint, whatever they hold', () => {
    fc.assert(
      fc.property(errors, (error) => {
        const text = errorText(error, false);
        expect(text).not.toMatch(STEERS);
        expect(strangeLines(text)).toEqual([]);
      }),
    );
  });

  it('holds nothing that steers a terminal with --debug', () => {
    fc.assert(
      fc.property(errors, (error) => {
        expect(errorText(error, true)).not.toMatch(STEERS);
      }),
    );
  });

  it('begins lines of its stack only with what is ours', () => {
    const forged = new MetactlError('a\n    at forged (x)', { code: 'X', cause: new Error('b\nmetactl: forged') });
    expect(errorText(forged, true)).not.toMatch(/^(?: +at forged|metactl: forged)/m);
  });

  it('is as safe for errors of other kinds', () => {
    fc.assert(
      fc.property(hostile, hostile, (message, path) => {
        const system = Object.assign(new Error(message), { code: 'EIO', syscall: 'open', path });
        for (const error of [system, new Error(message), message]) {
          const text = errorText(error, false);
          expect(text).not.toMatch(STEERS);
          expect(strangeLines(text)).toEqual([]);
          expect(errorText(error, true)).not.toMatch(STEERS);
        }
      }),
    );
  });

  it('is JSON in which nothing steers a terminal, and which says the same', () => {
    fc.assert(
      fc.property(errors, (error) => {
        const text = errorJson(error);
        expect(text).not.toMatch(STEERS);
        expect(JSON.parse(text).error.path).toBe(error.path);
      }),
    );
  });

  it('has one line for each problem of a configuration', () => {
    const problem = (message: string) => ({ message, file: '/f', line: 1, column: 2 });
    const error = configurationError([problem('a\nb'), problem('c\x1b')]);
    expect(errorText(error, false)).toBe('metactl: /f:1:2: a\\nb\n/f:1:2: c\\x1b\n');
  });

  it('is the same from the other end of a socket', () => {
    const error = configurationError([1, 2].map((line) => ({ message: 'a\nb', file: '/f', line, column: 2 })));
    for (const thrown of [error, new MetactlError('x\n\x1by', { code: 'X', hint: 'h\n\u202e' })]) {
      expect(errorText(errorOf(errorRecord(thrown)), false)).toBe(errorText(thrown, false));
    }
    expect(errorOf(errorRecord(new Error('x\nmetactl: y'))).message).toBe('x\\nmetactl: y');
  });
});

describe('other ways out', () => {
  it('print leaves line feeds, tabs and colours of ours', () => {
    expect(escapeOutput('\x1b[1mDAEMON\x1b[0m\ta\n')).toBe('\x1b[1mDAEMON\x1b[0m\ta\n');
    expect(escapeOutput('\x1b]0;t\x07 \x1b[2J \x9b1m \u202e é')).toBe('\\x1b]0;t\\x07 \\x1b[2J \\x9b1m \\u202e é');
    fc.assert(
      fc.property(hostile, (text) => {
        expect(escapeOutput(text).replace(/\x1b\[[0-9;]{0,16}m|\t/g, '')).not.toMatch(STEERS);
      }),
    );
  });

  it('JSON keeps every character, and its own line feeds', () => {
    fc.assert(
      fc.property(hostile, fc.constantFrom(undefined, 2), (text, indent) => {
        const json = jsonText({ [text]: [text] }, indent);
        expect(json).not.toMatch(STEERS);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ [text]: [text] })));
      }),
    );
  });

  it('remarks, and what gc and purge list, are one line each', () => {
    fc.assert(
      fc.property(hostile, (name) => {
        const item = { kind: 'directory', name } as const;
        for (const text of [remarkText(name), gcText([item as never], true), purgeText([item as never], false)]) {
          expect(text).not.toMatch(STEERS);
          expect(text.indexOf('\n')).toBe(text.length - 1);
        }
      }),
    );
  });

  /** Each of these writes what it was given by functions that are tested here or where they are. */
  const WRITERS = [
    'events.ts',
    'print.ts',
    'report.ts',
    'run-unit.ts',
    'run.ts',
    'pager.ts',
    'enter.ts',
    'main.ts',
    'supervise.ts',
  ];
  it('are few', () => {
    const directory = join(REPOSITORY, 'src/cli');
    const writes = /std(?:out|err)'?\)?(?:\.on\([^)]*\))?\.write\(|writeSync\([12],/;
    const found = readdirSync(directory).filter((name) => writes.test(readFileSync(join(directory, name), 'utf8')));
    expect(found.filter((name) => !WRITERS.includes(name))).toEqual([]);
  });
});
