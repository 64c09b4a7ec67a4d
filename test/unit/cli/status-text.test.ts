import { expect, it } from 'vitest';
import { secondsOf } from '../../../src/cli/status.ts';
import { statusText } from '../../../src/cli/status-text.ts';
import { idleRecord, type StatusRecord } from '../../../src/supervisor/control/status-record.ts';

const idle = idleRecord({ node: 'n1', app: 'shop', daemon: 'db' });
const running: StatusRecord = {
  ...idle,
  ...{ daemon: 'web', state: 'running', since: '2026-11-26T10:00:00.000Z', ageMs: 61_000, ready: true, pid: 4711 },
  ...{ uptimeMs: 60_000, memory: 50 * 1048576, cpuUsec: 3_000_000, tasks: 12, ip: '198.18.0.7' },
  ports: ['tcp 0.0.0.0:8080', 'tcp [::]:8080', 'tcp 127.0.0.1:9001'],
};
const plain = { color: false, width: undefined, before: undefined };

it('is a table, aligned, with what no column tells below its line', () => {
  const failing: StatusRecord = {
    ...idle,
    ...{ daemon: 'job', state: 'backoff', ageMs: 900, restarts: 3, nextRetry: '2026-11-26T10:00:09.000Z', since: 'x' },
    lastExit: { status: 1, failed: true, cause: 'ended with status 1', uptimeMs: 2500, at: '2026-11-26T10:00:00.000Z' },
  };
  const changed: StatusRecord = { ...running, changed: ['[env] A'], statusText: 'hi\x1b[2J' };
  expect(statusText([changed, failing, idle], plain)).toBe(
    [
      'DAEMON    STATE     SINCE   PID  UPTIME  RESTARTS  MEMORY   CPU  TASKS  IP          PORTS',
      'shop/web  running*    61s  4711     60s         0   50.0m  5.0%     12  198.18.0.7  8080 127.0.0.1:9001',
      '  says: hi\\x1b[2J',
      '  restart needed: [env] A changed',
      'shop/job  backoff   900ms     -       -         3       -     -      -  -           -',
      '  last exit: ended with status 1, after 2s, at 2026-11-26T10:00:00.000Z',
      '  next start: 2026-11-26T10:00:09.000Z',
      'shop/db   stopped       -     -       -         0       -     -      -  -           -',
      '',
    ].join('\n'),
  );
});

it('has IPv6 addresses in a column of their own, where there are any', () => {
  const lines = statusText([{ ...running, ip6: '2001:db8::7' }, idle], plain).split('\n');
  expect(lines[0]).toMatch(/PORTS +IPV6$/);
  expect(lines[1]).toMatch(/127\.0\.0\.1:9001 {2}2001:db8::7$/);
  expect(lines[2]).toMatch(/ - +- +-$/);
});

it('says where a daemon may listen on more than is told', () => {
  expect(statusText([{ ...running, portsCut: true }], plain)).toMatch(/ 8080 127\.0\.0\.1:9001 …$/m);
  expect(statusText([{ ...running, ports: [], portsCut: true }], plain)).toMatch(/ …$/m);
});

it('tells of what was taken out of the configuration', () => {
  const supervisor = { pid: 7, kind: 'run' } as const;
  const text = statusText([{ ...running, configured: false, supervisor }], plain);
  expect(text).toMatch(/^shop\/web {2}running\* /m);
  expect(text).toContain('\n  not in the configuration any more: metactl stop shop web ends it\n');
  expect(statusText([{ ...idle, configured: false }], plain)).toContain(
    '\n  not in the configuration any more: metactl install shop removes its unit\n',
  );
});

it('tells of lines that a log has lost', () => {
  const logLoss = { lines: 17, to: '/l', error: 'ENOSPC', since: 'S', last: 'L', lasting: true };
  expect(statusText([{ ...running, logLoss }], plain)).toContain(
    '\n  log: 17 lines are lost so far, and more will be: /l: ENOSPC, since S\n',
  );
  expect(statusText([{ ...running, logLoss: { ...logLoss, lines: 1, lasting: false } }], plain)).toContain(
    '\n  log: 1 line was lost: /l: ENOSPC, since S\n',
  );
});

it('tells CPU since the last look of the same run', () => {
  const before = { ...running, uptimeMs: 50_000, cpuUsec: 2_000_000 };
  expect(statusText([running], { ...plain, before: [before] })).toContain('  10.0%  ');
  expect(statusText([running], { ...plain, before: [{ ...before, pid: 1 }] })).toContain('  5.0%  ');
});

it('colours states and keeps to the width of the terminal', () => {
  expect(statusText([running], { ...plain, color: true })).toContain('\x1b[32mrunning\x1b[0m  ');
  const lines = statusText([running], { ...plain, color: true, width: 12 }).split('\n');
  expect(lines[1]).toBe('shop/web  r…');
});

it('says that there is nothing', () => {
  expect(statusText([], plain)).toBe('there are no apps on this node\n');
});

it('watches every two seconds unless told', () => {
  expect([secondsOf(true), secondsOf('0.5'), secondsOf('0')]).toEqual([2, 0.5, 0.1]);
  for (const word of ['', 'shop', '-1', '1e9', 'Infinity']) {
    expect(() => secondsOf(word)).toThrow(`found \`${word}\` for --watch, expected seconds`);
  }
});
