import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OwnLog } from '../../../src/cli/own-log.ts';

let directory: string;
let path: string;
let fd: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-own-log-'));
  path = join(directory, 'supervisor.log');
  fd = openSync(path, 'a', 0o640);
});
afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

it('rotates at a size, keeps the last files, and loses no line of those', async () => {
  const log = new OwnLog(fd, path, 1000);
  for (let i = 0; i < 120; i++) {
    log.line(`line ${i} ${'x'.repeat(40)}`);
    if (i % 5 === 0) expect(await log.flush(5000)).toBe(true);
  }
  expect(await log.flush(5000)).toBe(true);
  expect(readdirSync(directory).sort()).toEqual([
    'supervisor.log',
    'supervisor.log.1',
    'supervisor.log.2',
    'supervisor.log.3',
  ]);
  const text = ['.3', '.2', '.1', ''].map((end) => readFileSync(path + end, 'utf8')).join('');
  const numbers = [...text.matchAll(/^\S+Z line (\d+) /gm)].map((match) => Number(match[1]));
  expect(numbers.at(-1)).toBe(119);
  expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
});

it('leaves alone what is not its file', async () => {
  const other = join(directory, 'other');
  const log = new OwnLog(fd, other, 10);
  log.line('a line that is longer');
  log.line('and another one');
  await log.flush(5000);
  expect(readdirSync(directory)).toEqual(['supervisor.log']);
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
});

it('writes one line whatever is in it, and nothing that steers a terminal', async () => {
  const log = new OwnLog(fd, path);
  log.line('web: \x1b[2J\n2026-01-01 forged\u009b');
  await log.flush(5000);
  expect(readFileSync(path, 'utf8')).toMatch(/^\S+Z web: \\x1b\[2J\\n2026-01-01 forged\\x9b\n$/);
});

const lines = (text: string) => [...text.matchAll(/^\S+Z (.*)$/gm)].map((match) => match[1]);

it('has nothing of a turn in which the process ends lost', () => {
  const log = new OwnLog(fd, path);
  log.line('one');
  log.line('two');
  log.line('three');
  log.end();
  expect(lines(readFileSync(path, 'utf8')).slice(-2)).toEqual(['two', 'three']);
});

it('keeps nobody waiting for what does not take its lines, and counts those that are too many', async () => {
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  // A pipe that nobody empties: the thread that writes hangs as it does at a disk that does not answer.
  const [reader, writer] = [openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK), openSync(fifo, 'w')];
  const log = new OwnLog(writer, path, undefined, 200_000);
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 1000; j++) log.line(`${i * 1000 + j} ${'x'.repeat(100)}`);
    await sleep(5);
  }
  expect(await log.flush(50)).toBe(false);
  await sleep(1000);
  // It would hang, too.
  log.end();
  let text = '';
  const buffer = Buffer.alloc(65536);
  for (let done = false; !done; ) {
    done = await log.flush(20);
    for (;;) {
      try {
        const length = readSync(reader, buffer);
        if (length === 0) break;
        text += buffer.toString('latin1', 0, length);
      } catch {
        break;
      }
    }
  }
  closeSync(reader);
  closeSync(writer);
  // Wherever some are missing, a line says how many.
  let next = 0;
  for (const line of lines(text)) {
    const lost = /^(\d+) lines of this log are lost: its disk did not take them$/.exec(line!);
    if (lost === null) expect(Number(line!.split(' ')[0])).toBe(next++);
    else next += Number(lost[1]);
  }
  expect(next).toBe(4000);
  expect(lines(text).length).toBeLessThan(4000);
});

it('tells of lines that were refused once others are taken', async () => {
  const full = openSync('/dev/full', 'a');
  const log = new OwnLog(full, path);
  log.line('one');
  log.line('two');
  expect(await log.flush(5000)).toBe(true);
  closeSync(full);
  // The lowest number that is free.
  const again = openSync(path, 'a');
  expect(again).toBe(full);
  log.line('three');
  expect(await log.flush(5000)).toBe(true);
  closeSync(again);
  expect(lines(readFileSync(path, 'utf8'))).toEqual([
    '2 lines of this log are lost: its disk did not take them',
    'three',
  ]);
});
