import { describe, expect, it } from 'vitest';
import { parseCrontabLine } from '../../../src/config/crontab.ts';
import { inspect } from './root.ts';

describe('a line of [crontab]', () => {
  it.each([
    ['5 0 * * * curl http://localhost/housekeeping', '5 0 * * *', 'curl http://localhost/housekeeping'],
    ['10 0 * * 1 java -jar harvest.jar', '10 0 * * 1', 'java -jar harvest.jar'],
    ['*/15\t8-18/2  1,15 jan-mar,DEC mon-Fri  ./x  a b', '*/15 8-18/2 1,15 jan-mar,DEC mon-Fri', './x  a b'],
    ['0 0 31 2,3 * x', '0 0 31 2,3 *', 'x'],
    ['0 0 29 feb * x', '0 0 29 feb *', 'x'],
    ['0 0 31 2 mon x', '0 0 31 2 mon', 'x'],
    ['59 23 31 12 7 x', '59 23 31 12 7', 'x'],
    ['0 0 1 1 sun-sat x', '0 0 1 1 sun-sat', 'x'],
    ['@daily x "y"', '@daily', 'x "y"'],
    ['@hourly\t./a', '@hourly', './a'],
  ])('%j is taken apart', (text, schedule, command) => expect(parseCrontabLine(text)).toEqual({ schedule, command }));

  const minute = 'a minute from 0 to 59, such as *, */2, 1, 1-3 or 1,4';
  const hour = 'an hour from 0 to 23, such as *, */2, 1, 1-3 or 1,4';
  const day = 'a day from 1 to 31, such as *, */2, 2, 2-4 or 2,5';
  const month = 'a month from 1 to 12, or jan to dec, such as *, */2, 2, 2-4 or 2,5';
  const weekday = 'a weekday from 0 to 7, or sun to sat, such as *, */2, 1, 1-3 or 1,4';
  const generic = 'minute hour day month weekday command, such as 5 0 * * * ./housekeeping';
  const macro =
    'one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, or five fields, before the command';
  it.each([
    ['often x', generic],
    ['5 0 * * housekeeping', generic],
    ['5 0 * * *', 'a command behind its time'],
    ['@daily', 'a command behind its time'],
    ['@dayly x', macro],
    ['@reboot x', macro],
    ['99 99 99 99 99 x', minute],
    ['run this every day at noon', minute],
    ['60 * * * * x', minute],
    ['-1 * * * * x', minute],
    ['1-0 * * * * x', minute],
    ['*/0 * * * * x', minute],
    ['1/2 * * * * x', minute],
    ['1, * * * * x', minute],
    ['1,,2 * * * * x', minute],
    ['? * * * * x', minute],
    ['0 24 * * * x', hour],
    ['0 noon * * * x', hour],
    ['0 0 0 * * x', day],
    ['0 0 32 * * x', day],
    ['0 0 L * * x', day],
    ['0 0 1 13 * x', month],
    ['0 0 1 0 * x', month],
    ['0 0 1 mon * x', month],
    ['0 0 * * 8 x', weekday],
    ['0 0 * * jan x', weekday],
    ['0 0 * * fri-mon x', weekday],
    ['0 0 * * 5#2 x', weekday],
    ['0 0 31 2 * x', 'a day that one of its months has: it would never run'],
    ['0 0 31 4,jun,9-11/2 * x', 'a day that one of its months has: it would never run'],
  ])('%j is refused, by its file and line', (line, expected) =>
    expect(inspect({ application: `[crontab]\nx = ${line}\n` }).lines).toEqual([
      `.metactl:2:5: found \`${line}\`, expected ${expected}`,
    ]),
  );

  it('shows no secret of its text', () => {
    const { lines } = inspect({ application: '[env]\nTOKEN = s3cr3t\n[crontab]\nx = %(TOKEN) * * * * x\n' });
    expect(lines.filter((text) => text.includes('s3cr3t'))).toEqual([]);
    expect(lines).toContainEqual(expect.stringContaining(minute));
  });
});
