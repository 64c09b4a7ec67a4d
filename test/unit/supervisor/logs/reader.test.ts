import { expect, test } from 'vitest';
import { type LogReader, type LogRecord, mergeLogs, readLogs } from '../../../../src/supervisor/logs/read/reader.ts';
import { daemonsOf, journalMatches } from '../../../../src/supervisor/logs/read/sources.ts';

function record(daemon: string, time: number): LogRecord {
  return { daemon, time, pid: 1, stream: 'out', mark: ':', text: Buffer.from(`${time}`) };
}

/** Gives its times in batches. */
function reader(daemon: string, ...batches: number[][]): LogReader {
  return {
    begin: async () => 0,
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

test('a log that never comes to its end keeps no other back', async () => {
  let busy = 0;
  const found: string[] = [];
  const late: number[][] = [];
  await mergeLogs(
    [
      { ...reader('a'), next: async () => (++busy > 5 ? undefined : [record('a', busy)]) },
      { ...reader('b'), next: async () => late.shift()?.map((time) => record('b', time)) },
    ],
    ({ daemon, time }) => {
      found.push(`${daemon}${time}`);
      if (daemon === 'a' && time === 2) late.push([2]);
    },
    async () => true,
  );
  expect(found.join(' ')).toBe('a1 a2 b2 a3 a4 a5');
});

test('of several logs the last lines are shown, and then what comes', async () => {
  const found: string[] = [];
  const counted = (daemon: string, times: number[], later: number[]): LogReader => {
    let [closed, watching] = [false, false];
    return {
      begin: async () => times.length,
      next: async () => {
        if (closed) throw new Error('it is closed');
        return (watching ? later : times)
          .splice(0)
          .map((time) => record(daemon, time))
          .reduce(join, undefined);
      },
      watch: (onMore) => {
        watching = true;
        setTimeout(onMore, 5);
      },
      close: () => {
        closed = true;
      },
    };
  };
  await readLogs([counted('a', [1, 4], [9]), counted('b', [2, 3], [8])], {
    last: 2,
    follow: true,
    emit: ({ daemon, time }) => found.push(`${daemon}${time}`),
    flush: async () => found.length < 4,
  });
  expect(found.join(' ')).toBe('b3 a4 b8 a9');
});

function join(all: LogRecord[] | undefined, one: LogRecord): LogRecord[] {
  return [...(all ?? []), one];
}

test('daemons are known by their files', () => {
  const names = ['web.log', 'db.20261126T120000.000Z.log.gz', 'note.txt', 'Web.log', 'all.log', 'a.b.log'];
  expect(daemonsOf(names)).toEqual(['db', 'web']);
});

test('one journalctl is asked for all daemons, and for what journald dropped', () => {
  const targets = new Map([
    ['web', 'journal'],
    ['db', 'unset'],
    ['old', 'syslog'],
  ] as const);
  const dropped = ['MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e', '_TRANSPORT=driver'];
  expect(journalMatches('shop', ['web', 'db', 'old'], targets)).toEqual([
    ...['METACTL_APP=shop', 'METACTL_DAEMON=web', 'METACTL_DAEMON=db', '+', 'SYSLOG_IDENTIFIER=shop/old', '+'],
    ...dropped,
  ]);
  expect(journalMatches('shop', ['old'], targets)).toEqual(['SYSLOG_IDENTIFIER=shop/old', '+', ...dropped]);
  expect(journalMatches('shop', [], targets)).toEqual([]);
});
