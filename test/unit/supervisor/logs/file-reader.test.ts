import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { directoryBehind } from '../../../../src/host/linux/logs.ts';
import { FileReader } from '../../../../src/supervisor/logs/read/file-reader.ts';
import { LogPlace } from '../../../../src/supervisor/logs/read/log-place.ts';
import { readLogs } from '../../../../src/supervisor/logs/read/reader.ts';
import { rotatedName } from '../../../../src/supervisor/logs/rotation.ts';

let path: string;
let place: LogPlace;
let written = 0;
let rotations: number[];
let gone: boolean;

const START = Date.parse('2026-01-01T00:00:00Z');

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'metactl-reader-'));
  place = new LogPlace(() => (existsSync(path) ? directoryBehind(openSync(path, 'r'), path) : undefined));
  written = 0;
  rotations = [];
  gone = false;
});
afterEach(() => {
  place.close();
  rmSync(path, { recursive: true, force: true });
});

const log = () => join(path, 'web.log');
const line = (number: number) => `${new Date(START + number).toISOString()} 1 out: ${number}\n`;

/** Goes on with the next numbers, a millisecond each. */
function write(count: number): void {
  appendFileSync(log(), Array.from({ length: count }, (_, i) => line(written + i)).join(''));
  written += count;
}

function rotate(): string {
  const at = START + written;
  rotations.push(at);
  renameSync(log(), join(path, rotatedName('web', at)));
  writeFileSync(log(), '');
  return join(path, rotatedName('web', at));
}

function compress(file: string): void {
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)));
  rmSync(file);
}

/** Numbers `from` to `to`, without the last. */
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

interface Asked {
  readonly last?: number;
  readonly since?: number;
  readonly follow?: boolean;
  /** Called before each look at what there is more, with what has come so far. */
  readonly between?: (found: readonly string[]) => void | Promise<void>;
}

async function read({ last, since = 0, follow = false, between }: Asked = {}): Promise<string[]> {
  const found: string[] = [];
  await readLogs([new FileReader({ place, daemon: 'web', since })], {
    last,
    follow,
    emit: ({ text, stream, mark }) => found.push(stream === 'metactl' ? `${stream}${mark} ${text}` : text.toString()),
    flush: async () => {
      await between?.(found);
      return !gone;
    },
  });
  return found;
}

/** Some rotated files, the older ones compressed. */
function fill(): void {
  for (let i = 0; i < 3; i++) {
    write(1000);
    const file = rotate();
    if (i < 2) compress(file);
  }
  write(500);
}

test('the last lines are as many as are asked for, over all files', async () => {
  fill();
  for (const last of [0, 1, 10, 500, 501, 1499, 1500, 2345, 3499, 3500, 9999]) {
    expect(await read({ last })).toEqual(range(Math.max(0, 3500 - last), 3500));
  }
  expect(await read({ last: 10, since: START + 3495 })).toEqual(range(3495, 3500));
  expect(await read({ last: 700, since: START + 2900 })).toEqual(range(2900, 3500));
  expect(await read({ last: 3, since: START + 2900 })).toEqual(range(3497, 3500));
  expect(await read({ last: 3, since: START + 9999 })).toEqual([]);
  expect(await read({ since: START + 1990 })).toEqual(range(1990, 3500));
});

test('the last lines are those of one moment, though the log grows, rotates and is compressed meanwhile', async () => {
  fill();
  const last = 1200;
  const busy = new FileReader({ place, daemon: 'web', since: 0 });
  const count = await busy.begin(last);
  write(700);
  compress(rotate());
  write(300);
  const found: string[] = [];
  for (let batch = await busy.next(); batch !== undefined; batch = await busy.next()) {
    found.push(...batch.map(({ text }) => text.toString()));
  }
  expect(found.slice(count - last)).toEqual(range(2300, 3500));
  busy.watch(() => {});
  for (let batch = await busy.next(); batch !== undefined; batch = await busy.next()) {
    found.push(...batch.map(({ text }) => text.toString()));
  }
  expect(found.slice(count - last)).toEqual(range(2300, 4500));
  busy.close();
});

test.each([0, 3, 1600])(
  'what follows the last %d lines comes once, over rotations',
  async (last) => {
    fill();
    let rounds = 0;
    const found = await read({
      last,
      follow: true,
      between: (found) => {
        if (found.length >= last + 1300) gone = true;
        if (rounds++ % 3 !== 0 || written >= 4800) return;
        write(100);
        const file = rotate();
        if (rounds % 2 === 0) compress(file);
        write(30);
      },
    });
    expect(found).toEqual(range(3500 - last, written).slice(0, found.length));
    expect(found.length).toBeGreaterThanOrEqual(last + 1300);
  },
  20_000,
);

test('lines that tell no time and lines without an end are counted as they are shown', async () => {
  writeFileSync(log(), 'first\n');
  write(2);
  appendFileSync(log(), 'by hand\n\nby hand\n');
  const all = ['metactl~ first', '0', '1', 'metactl~ by hand', 'metactl~ by hand'];
  appendFileSync(log(), 'half a line');
  for (const last of [1, 2, 3, 4, 5, 9]) expect(await read({ last })).toEqual(all.slice(-last));
  expect(await read({ last: 2, since: START })).toEqual(all.slice(-2));
  expect(await read({ last: 9, since: START + 1 })).toEqual(all.slice(2));
  rotate();
  writeFileSync(log(), 'at the beginning\n');
  expect(await read({ last: 2 })).toEqual(['metactl~ half a line', 'metactl~ at the beginning']);
  expect(await read({ last: 9, since: START + 1 })).toEqual([
    ...all.slice(2),
    'metactl~ half a line',
    'metactl~ at the beginning',
  ]);
});

test('a follower that falls behind is told which files are missing', async () => {
  write(10);
  let round = 0;
  const removed: string[] = [];
  const found = await read({
    follow: true,
    between: async (found) => {
      // It watches by now.
      if (++round === 3) {
        write(10);
        // The first of these is the one that it reads.
        for (let i = 0; i < 4; i++) {
          removed.push(rotate());
          await sleep(50);
          write(10);
        }
        for (const file of removed.slice(0, 3)) rmSync(file);
        compress(removed[3]!);
      }
      gone = found.includes('59');
    },
  });
  expect(found).toEqual([
    ...range(0, 20),
    'metactl: lines are missing: 2 rotated files went before anybody read them',
    ...range(40, 60),
  ]);
});

test('a follower that saw nothing of it says that lines may be missing', async () => {
  write(10);
  let round = 0;
  const found = await read({
    follow: true,
    between: (found) => {
      if (++round === 2) {
        for (let i = 0; i < 3; i++) {
          write(10);
          const file = rotate();
          if (i < 2) rmSync(file);
          else compress(file);
        }
      }
      gone = found.includes('39');
      if (round === 2) write(10);
    },
  });
  expect(found).toEqual([
    ...range(0, 20),
    'metactl: lines may be missing: rotated files went before anybody saw them',
    ...range(30, 40),
  ]);
});

test('files that are there at the beginning are read though they are removed meanwhile', async () => {
  fill();
  const found = await read({
    between: () => {
      rmSync(path, { recursive: true, force: true });
      mkdirSync(path);
    },
  });
  expect(found).toEqual(range(0, 3500));
});

test('a log is waited for, also where its directory is not there, and goes on where that is made anew', async () => {
  rmSync(path, { recursive: true });
  place.close();
  place.look();
  setTimeout(() => {
    mkdirSync(path);
    write(3);
  }, 100);
  let anew = false;
  const found = await read({
    follow: true,
    between: (found) => {
      if (found.length === 3 && !anew) {
        anew = true;
        rmSync(path, { recursive: true });
        mkdirSync(path);
        write(3);
      }
      gone = found.length === 6;
    },
  });
  expect(found).toEqual(range(0, 6));
}, 20_000);

test('a file that somebody cut is read from its beginning', async () => {
  write(10);
  let cut = false;
  const found = await read({
    follow: true,
    between: (found) => {
      if (found.length === 10 && !cut) {
        cut = true;
        truncateSync(log(), 0);
        write(2);
      }
      gone = found.includes('11');
    },
  });
  expect(found).toEqual([
    ...range(0, 10),
    'metactl: somebody cut the file: what nobody had read of it is missing',
    ...range(10, 12),
  ]);
});

test('lines of one log keep their order where the clock goes back', async () => {
  const at = (minute: number) => START + minute * 60_000;
  const one = (minute: number) => `${new Date(at(minute)).toISOString()} 1 out: ${minute}\n`;
  const clock = (...minutes: number[]) => minutes.map(one).join('');
  writeFileSync(join(path, rotatedName('web', at(10))), clock(1, 9));
  writeFileSync(join(path, rotatedName('web', at(10) + 1)), clock(3, 8, 2));
  writeFileSync(log(), clock(4, 1, 5));
  const order = ['1', '9', '3', '8', '2', '4', '1', '5'];
  expect(await read()).toEqual(order);
  for (const last of [1, 2, 4, 7]) expect(await read({ last })).toEqual(order.slice(-last));
});
