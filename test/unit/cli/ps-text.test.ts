import { describe, expect, it } from 'vitest';
import { psJson } from '../../../src/cli/ps.ts';
import { cpuTime, psText, roundSize } from '../../../src/cli/ps-text.ts';
import type { ProcessInfo } from '../../../src/host/process-info.ts';

const web: ProcessInfo = {
  app: 'shop',
  daemon: 'web',
  pid: 4242,
  insidePid: 7,
  uid: 70001,
  insideUid: undefined,
  user: 'shop',
  state: 'S',
  rss: 20 * 2 ** 20,
  cpuTime: 2_000_000,
  cpu: 0.02,
  startedAt: 1_000_900_000,
  command: 'java -jar shop.jar',
  revealedCommand: 'java -jar shop.jar',
};
const other: ProcessInfo = {
  ...web,
  daemon: 'jobs',
  pid: 12345,
  insidePid: undefined,
  user: '70002',
  state: 'Z',
  cpu: 1.5,
  command: '[sh]',
  revealedCommand: '[sh]',
};
const OPTIONS = { app: false, daemon: false, width: undefined, color: false };

describe('psText', () => {
  it('aligns numbers to the right and the rest to the left', () => {
    expect(psText([web, other], OPTIONS)).toBe(
      [
        '  PID  INSIDE  USER     RSS     CPU     TIME  COMMAND',
        ' 4242       7  shop   20.0m    2.0%  0:02.00  java -jar shop.jar',
        '12345       -  70002  20.0m  150.0%  0:02.00  [sh] (ended)',
        '',
      ].join('\n'),
    );
  });

  it('tells app and daemon where they were not asked for', () => {
    expect(psText([web], { ...OPTIONS, app: true, daemon: true }).split('\n')[1]).toMatch(/^shop {2}web {5}4242 /);
    expect(psText([web], { ...OPTIONS, daemon: true }).split('\n')[0]).toMatch(/^DAEMON {3}PID/);
  });

  it('cuts lines to the terminal and makes the heading bold', () => {
    const lines = psText([web], { ...OPTIONS, width: 50, color: true }).split('\n');
    expect(lines[0]).toBe('\u001b[1m PID  INSIDE  USER    RSS   CPU     TIME  COMMAND\u001b[0m');
    expect(lines[1]).toHaveLength(50);
    expect(lines[1]).toMatch(/java -j…$/);
  });

  it('is a heading alone without processes', () => {
    expect(psText([], OPTIONS)).toBe('PID  INSIDE  USER  RSS  CPU  TIME  COMMAND\n');
  });
});

describe('a process with a user namespace', () => {
  it('shows both ids', () => {
    const mapped = { ...web, uid: 590_824, insideUid: 1000, user: '590824' };
    expect(psText([mapped], OPTIONS)).toContain('  590824/1000  ');
    expect(psJson(mapped)).toMatchObject({ uid: 590_824, insideUid: 1000, user: '590824' });
  });
});

describe('psJson', () => {
  it('is stable', () => {
    expect(psJson(web)).toEqual({
      app: 'shop',
      daemon: 'web',
      pid: 4242,
      insidePid: 7,
      insideUid: null,
      uid: 70001,
      user: 'shop',
      state: 'S',
      rss: 20971520,
      cpuTime: 2000000,
      cpu: 0.02,
      startedAt: '1970-01-12T14:01:40.000Z',
      command: 'java -jar shop.jar',
    });
    expect(psJson(other)).toMatchObject({ insidePid: null });
  });
});

it.each([
  [0, '0'],
  [999, '999'],
  [1000, '0.98k'],
  [4096, '4.00k'],
  [831_488, '812k'],
  [50_541_363, '48.2m'],
  [1.5 * 2 ** 30, '1.50g'],
  [2 ** 50, '1024t'],
])('roundSize(%d) is %s', (bytes, text) => {
  expect(roundSize(bytes)).toBe(text);
});

it.each([
  [0, '0:00.00'],
  [1_239_999, '0:01.23'],
  [3_599_990_000, '59:59.99'],
  [3_600_000_000, '1:00:00'],
  [360_061_000_000, '100:01:01'],
])('cpuTime(%d) is %s', (time, text) => {
  expect(cpuTime(time)).toBe(text);
});
