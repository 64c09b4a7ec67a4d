import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatProblem } from '../../../src/config/messages.ts';
import { type EntryItem, scan } from '../../../src/config/scan.ts';

/** `section.key=raw` of every entry. */
function read(text: string): string[] {
  const { items, problems } = scan(text, 'f');
  expect(problems).toEqual([]);
  return items.filter((item) => item.kind === 'entry').map((entry) => `${entry.section}.${entry.key}=${entry.raw}`);
}

function problems(text: string): string[] {
  return scan(text, 'f').problems.map(formatProblem);
}

describe('what the scanner reads', () => {
  it.each([
    ['[a]\nb = c', ['a.b=c']],
    ['[a]\r\nb = c\r\n', ['a.b=c']],
    ['  [a]  \n\t b\t=\tc\t\n', ['a.b=c']],
    ['; x\n# y\n  # z\n\n[a]\nb=c', ['a.b=c']],
    ['[a] ; why\nb = c # why', ['a.b=c']],
    ['[a]\nb = http://host/#frag', ['a.b=http://host/#frag']],
    ['[a]\nb = a;b', ['a.b=a;b']],
    ['[a]\nb = a ;b', ['a.b=a']],
    ['[a]\ncolor =#fff', ['a.color=#fff']],
    ['[a]\nb = "x # y" # z', ['a.b="x # y"']],
    ["[a]\nb = 'x ; y' ; z", ["a.b='x ; y'"]],
    ["[a]\nb = don't panic # isn't it", ["a.b=don't panic"]],
    ['[a]\nb = 5" disk # three', ['a.b=5" disk']],
    ['[a]\nb = -Dx="y # z" w', ['a.b=-Dx="y # z" w']],
    ['[a]\nb = "x \\" # y" # z', ['a.b="x \\" # y"']],
    ['[a]\nb = x=y=z', ['a.b=x=y=z']],
    ['[a]\nb =', ['a.b=']],
    ['[a]\nb = # nothing', ['a.b=']],
    ['[a]\nb = null\nc = true', ['a.b=null', 'a.c=true']],
    ['[crontab]\ndaily housekeeping = 5 0 * * * x', ['crontab.daily housekeeping=5 0 * * * x']],
    ['[sandbox.mounts]\n/srv/my data = ro', ['sandbox.mounts./srv/my data=ro']],
    ['[a]\nb = 1\n[c]\nb = 2\n[a]\nd = 3', ['a.b=1', 'c.b=2', 'a.d=3']],
    ['[systemd.Service]\nX = 1\nX = 2', ['systemd.Service.X=1', 'systemd.Service.X=2']],
    ['[cron.daily housekeeping]\noverlap = allow', ['cron.daily housekeeping.overlap=allow']],
    ['', []],
  ])('%j', (text, expected) => expect(read(text)).toEqual(expected));

  it('says where things are', () => {
    const entry = scan('[a]\n  key  =  value # c', 'f').items[1] as EntryItem;
    expect(entry).toEqual({
      kind: 'entry',
      section: 'a',
      key: 'key',
      raw: 'value',
      line: 2,
      keyColumn: 3,
      valueColumn: 11,
    });
    expect(scan('  [abc]', 'f').items[0]).toEqual({ kind: 'header', section: 'abc', line: 1, column: 4 });
  });
});

describe('what it refuses', () => {
  it.each([
    ['\ufeff[a]', 'f:1:1: found a byte order mark, expected plain UTF-8; save the file without it'],
    ['[a', 'f:1:1: found `[a`, expected a ] that closes the section header'],
    ['[a] b', 'f:1:5: found `b` after a section header, expected the end of the line or a comment'],
    ['[a]# b', 'f:1:4: found `# b` after a section header, expected the end of the line or a comment'],
    [
      '[ a]',
      'f:1:2: found the section name ` a`, expected one without spaces at its ends, quotes, brackets, \\, =, ; and #',
    ],
    [
      '[]',
      'f:1:2: found the section name ``, expected one without spaces at its ends, quotes, brackets, \\, =, ; and #',
    ],
    ['[a]\nDB_PASSWORD: hunter2', 'f:2:1: found `DB_PASSWORD` without a =, expected a section header or key = value'],
    ['[a]\n  word', 'f:2:3: found `word` without a =, expected a section header or key = value'],
    ['[a]\n = x', 'f:2:2: found nothing before the =, expected a key'],
    ['[a]\nb[] = x', 'f:2:1: found the key `b[]`, expected one without brackets, quotes, \\ and comments'],
    ['[a]\n"b" = x', 'f:2:1: found the key `"b"`, expected one without brackets, quotes, \\ and comments'],
    ['[a]\nb # c = x', 'f:2:1: found the key `b # c`, expected one without brackets, quotes, \\ and comments'],
    ['[a]\nb\u00a0 = x', 'f:2:1: found the key `b\u00a0`, expected one without brackets, quotes, \\ and comments'],
    ['b = x', 'f:1:1: found the key `b` before the first section, expected a section header such as [env]'],
    ['[a]\nb = 1\nb = 2', 'f:3:1: found the key `b` again, expected it once: line 2 has it already'],
    ['[a]\nb = 1\n[c]\n[a]\nb = 2', 'f:5:1: found the key `b` again, expected it once: line 2 has it already'],
    [
      '[env]\nweb = 1\n[env.web]\n',
      'f:2:1: found the key `web` in [env] beside the section `[env.web]` (line 3), expected only one of the two',
    ],
    ['[a]\n__proto__ = 1', 'f:2:1: found the name `__proto__`, which is reserved, expected any other name'],
    ['[a]\nconstructor = 1', 'f:2:1: found the name `constructor`, which is reserved, expected any other name'],
    ['[a]\nprototype = 1', 'f:2:1: found the name `prototype`, which is reserved, expected any other name'],
    ['[a]\ntoString = 1', 'f:2:1: found the name `toString`, which is reserved, expected any other name'],
    ['[a.__proto__]', 'f:1:2: found the name `__proto__`, which is reserved, expected any other name'],
    ['[__proto__]\nx = 1', 'f:1:2: found the name `__proto__`, which is reserved, expected any other name'],
    ['[a]\nb = \x1b[2J', 'f:2:5: found the control character U+001B, expected printable text'],
    ['[a]\nb = \0', 'f:2:5: found the control character U+0000, expected printable text'],
    ['[a]\rb = c', 'f:1:4: found the control character U+000D, expected printable text'],
    ['[a]\nb = \u009b', 'f:2:5: found the control character U+009B, expected printable text'],
    ['[a]\n\u202eb', 'f:2:1: found `\\u202eb` without a =, expected a section header or key = value'],
  ])('%j', (text, problem) => expect(problems(text)).toEqual([problem]));

  it('tells all problems, and leaves the keys of an unreadable section alone', () => {
    expect(problems('[a\nb = 1\nc\n[d]\ne')).toEqual([
      'f:1:1: found `[a`, expected a ] that closes the section header',
      'f:3:1: found `c` without a =, expected a section header or key = value',
      'f:5:1: found `e` without a =, expected a section header or key = value',
    ]);
  });

  it('stops after a hundred', () => {
    const found = problems(`[a]\n${'x\n'.repeat(500)}`);
    expect(found).toHaveLength(101);
    expect(found.at(-1)).toBe('f:102:1: found more than 100 problems; the rest of the file was not read');
  });
});

describe('time', () => {
  it.each([
    ['unclosed quotes', '"'.repeat(1)],
    ['escaped quotes', '\\"'],
    ['closed quotes', '"a" '],
    ['apostrophes', "' "],
    ['mixed', `"'`],
    ['backslashes', '\\'],
    ['brackets', '['],
    ['equals', '='],
    ['comments', ' ;'],
    ['lines', 'a\n'],
    ['keys', 'a=\n'],
    ['blanks', ' '],
    ['tabs', '\t'],
    ['blanks and carriage returns', ' \r'],
    ['blanks of other kinds', ' \u00a0\u2003'],
  ])('is linear on a megabyte of %s', (_name, piece) => {
    const run = piece.repeat(1_000_000 / piece.length);
    // Behind something and before something: what looks for the end of a line looks at each run again.
    for (const text of [`[a]\nb = x${run}`, `[a]\nb = x${run}y`, `[a]\nb = "x${run}y`, `[a]\nb = x${run}y ; z`])
      quick(text);
    for (const text of [
      `[a]\nx${run}y = 1`,
      `[a]\nx${run}`,
      `[x${run}y]\nb = 1`,
      `[x${run}y`,
      `[a]${run}y`,
      `[a] ;${run}y`,
    ])
      quick(text);
  });

  it('is linear on a megabyte of whatever is repeated', { timeout: 60_000 }, () => {
    const unit = fc.constantFrom(...'[]="\'\\;#% \t\r\nab.\u00a0(){}');
    const piece = fc.string({ unit, minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(piece, piece, piece, (before, repeated, after) =>
        quick(`[a]\nb = ${before}${repeated.repeat(1_000_000 / repeated.length)}${after}`),
      ),
      { numRuns: 40 },
    );
  });
});

/** Some 10 ms; what is quadratic takes minutes. */
function quick(text: string): void {
  const start = performance.now();
  scan(text, 'f');
  expect(performance.now() - start).toBeLessThan(2000);
}
