import { expect, test } from 'vitest';
import { EntryLines, parseEntry } from '../../../../src/supervisor/logs/read/journal-entry.ts';
import { journalArguments } from '../../../../src/supervisor/logs/read/journal-reader.ts';

test('journalctl is asked for what is wanted only', () => {
  const query = { matches: ['METACTL_APP=shop'], since: 0 };
  const common = ['--output=json', '--all', '--no-pager', '--quiet'];
  expect(journalArguments(query, 'forward')).toEqual([...common, 'METACTL_APP=shop']);
  expect(journalArguments({ ...query, since: 1500 }, 'reverse')).toEqual([
    ...common,
    '--reverse',
    '--since=@1.5',
    'METACTL_APP=shop',
  ]);
  const follow = [...common, '--follow', '--lines=all'];
  expect(journalArguments({ ...query, since: 1500 }, 'follow', 's=1;i=2')).toEqual([
    ...follow,
    '--after-cursor=s=1;i=2',
    'METACTL_APP=shop',
  ]);
  expect(journalArguments(query, 'follow')).toEqual([...follow, 'METACTL_APP=shop']);
});

const ENTRY = {
  __REALTIME_TIMESTAMP: '1764174301123456',
  __CURSOR: 's=1',
  _SYSTEMD_UNIT: 'session-3.scope',
  METACTL_DAEMON: 'web',
  METACTL_STREAM: 'err',
  METACTL_PID: '7',
  MESSAGE: 'hello',
};

const parsed = (more: object) => parseEntry(JSON.stringify({ ...ENTRY, ...more }));

test('entries of the journal become lines', () => {
  const line = { daemon: 'web', time: 1764174301123, pid: 7, stream: 'err', mark: ':', text: Buffer.from('hello') };
  expect(parsed({})).toEqual({ cursor: 's=1', time: 1764174301123, senders: ['session-3.scope'], line });
  expect(parsed({ METACTL_UNENDED: '1', MESSAGE: [255, 27], METACTL_STREAM: 'x' })?.line).toMatchObject({
    mark: '~',
    stream: 'out',
    text: Buffer.from([255, 27]),
  });
  expect(parsed({ METACTL_CONTINUED: '1' })?.line?.mark).toBe('+');
  expect(parsed({ METACTL_DAEMON: undefined, SYSLOG_IDENTIFIER: 'shop/old' })?.line?.daemon).toBe('old');
  expect(parsed({ MESSAGE: null })?.line?.text.length).toBe(0);
  expect(parseEntry('-- cursor: s=1')).toBeUndefined();
  expect(parseEntry('{}')).toBeUndefined();
});

test('what journald dropped of the same unit is told, and nothing of other units', () => {
  const dropped = (sender: string, count: number) =>
    parsed({
      _TRANSPORT: 'driver',
      _SYSTEMD_UNIT: 'init.scope',
      MESSAGE: `Suppressed ${count} messages from ${sender}`,
    })!;
  const lines = new EntryLines();
  const text = (entry: ReturnType<typeof dropped>) =>
    lines.lines(entry).map(({ daemon, stream, text }) => `${daemon} ${stream}: ${text}`);
  expect(text(dropped('session-3.scope', 5))).toEqual([]);
  expect(text(dropped('other.service', 6))).toEqual([]);
  expect(text(parsed({})!)).toEqual([
    'web metactl: lines are missing: journald dropped 5 messages of session-3.scope, over its rate limit',
    'web err: hello',
  ]);
  expect(text(dropped('other.service', 7))).toEqual([]);
  expect(text(dropped('session-3.scope', 8))).toEqual([
    'web metactl: lines are missing: journald dropped 8 messages of session-3.scope, over its rate limit',
  ]);
  // A cgroup, as older ones say.
  const old = parsed({ _SYSTEMD_UNIT: undefined, _SYSTEMD_CGROUP: '/user.slice/x' })!;
  expect(text(old)).toEqual(['web err: hello']);
  expect(text(dropped('/user.slice/x', 9))[0]).toContain('9 messages of /user.slice/x');
  expect(parsed({ _TRANSPORT: 'driver', MESSAGE: 'Journal started' })).toBeUndefined();
});
