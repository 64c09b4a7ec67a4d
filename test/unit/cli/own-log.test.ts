import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ownLog } from '../../../src/cli/own-log.ts';

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

it('rotates at a size, keeps the last files, and loses no line of those', () => {
  const log = ownLog(fd, path, 1000);
  for (let i = 0; i < 120; i++) log(`line ${i} ${'x'.repeat(40)}`);
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

it('leaves alone what is not its file', () => {
  const other = join(directory, 'other');
  const log = ownLog(fd, other, 10);
  log('a line that is longer');
  log('and another one');
  expect(readdirSync(directory)).toEqual(['supervisor.log']);
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
});

it('writes one line whatever is in it, and nothing that steers a terminal', () => {
  ownLog(fd, path)('web: \x1b[2J\n2026-01-01 forged\u009b');
  expect(readFileSync(path, 'utf8')).toMatch(/^\S+Z web: \\x1b\[2J\\n2026-01-01 forged\\x9b\n$/);
});
