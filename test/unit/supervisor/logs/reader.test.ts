import { expect, test } from 'vitest';
import { journalArguments, parseEntry } from '../../../../src/supervisor/logs/read/journal-reader.ts';
import { type LogReader, type LogRecord, mergeLogs } from '../../../../src/supervisor/logs/read/reader.ts';
import { daemonsOf } from '../../../../src/supervisor/logs/read/sources.ts';

function record(daemon: string, time: number): LogRecord {
  return { daemon, time, pid: 1, stream: 'out', mark: ':', text: Buffer.from(`${time}`) };
}

/** Gives its times in batches. */
function reader(daemon: string, ...batches: number[][]): LogReader {
  return {
    next: async () => batches.shift()?.map((time) => record(daemon, time)),
    watch: () => {},
    close: () => {},
  };
}

async function merged(...readers: LogReader[]): Promise<string> {
  const found: string[] = [];
  await mergeLogs(
    readers,
    ({ daemon, time }) => found.push(`${daemon}${time}`),
    async () => true,
  );
  return found.join(' ');
}

test('logs are merged by time, each in its own order', async () => {
  expect(await merged(reader('a', [1, 4], [6]), reader('b', [2, 3], [5, 7]), reader('c'))).toBe('a1 b2 b3 a4 b5 a6 b7');
  expect(await merged(reader('a', [5, 1, 9]), reader('b', [6]))).toBe('a5 a1 b6 a9');
  expect(await merged()).toBe('');
});

test('nothing more is read when nobody wants more', async () => {
  const found: number[] = [];
  await mergeLogs(
    [reader('a', [1, 2], [3])],
    ({ time }) => found.push(time),
    async () => false,
  );
  expect(found).toEqual([1, 2]);
});

test('journalctl is asked for what is wanted only', () => {
  const options = { daemon: 'web', matches: ['METACTL_APP=shop'], since: 0, last: undefined, follow: false };
  const common = ['--output=json', '--all', '--no-pager', '--quiet'];
  expect(journalArguments(options)).toEqual([...common, 'METACTL_APP=shop']);
  expect(journalArguments({ ...options, since: 1500, last: 3, follow: true })).toEqual([
    ...common,
    '--follow',
    '--lines=3',
    '--since=@1.5',
    'METACTL_APP=shop',
  ]);
  expect(journalArguments({ ...options, last: 3, follow: true }, 's=1;i=2')).toEqual([
    ...common,
    '--follow',
    '--lines=all',
    '--after-cursor=s=1;i=2',
    'METACTL_APP=shop',
  ]);
});

test('entries of the journal become lines', () => {
  const entry = {
    __REALTIME_TIMESTAMP: '1764174301123456',
    __CURSOR: 's=1',
    METACTL_STREAM: 'err',
    METACTL_PID: '7',
    MESSAGE: 'hello',
  };
  expect(parseEntry('web', JSON.stringify(entry))).toEqual({
    cursor: 's=1',
    record: { daemon: 'web', time: 1764174301123, pid: 7, stream: 'err', mark: ':', text: Buffer.from('hello') },
  });
  const binary = { ...entry, METACTL_UNENDED: '1', MESSAGE: [255, 27], METACTL_STREAM: 'x' };
  expect(parseEntry('web', JSON.stringify(binary))?.record).toMatchObject({
    mark: '+',
    stream: 'out',
    text: Buffer.from([255, 27]),
  });
  expect(parseEntry('web', JSON.stringify({ ...entry, MESSAGE: null }))?.record.text.length).toBe(0);
  expect(parseEntry('web', '-- cursor: s=1')).toBeUndefined();
  expect(parseEntry('web', '{}')).toBeUndefined();
});

test('daemons are known by their files', () => {
  const names = ['web.log', 'db.20261126T120000.000Z.log.gz', 'note.txt', 'Web.log', 'all.log', 'a.b.log'];
  expect(daemonsOf(names)).toEqual(['db', 'web']);
});
