import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeTree } from '../../../src/host/linux/remove-tree.ts';

let directory: string;
let fd: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-tree-'));
  fd = openSync(directory, 'r');
});
afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true, force: true });
});

it('removes what is in a directory, and nothing that links lead to', () => {
  const outside = join(directory, 'outside');
  mkdirSync(join(outside, 'kept'), { recursive: true });
  writeFileSync(join(outside, 'kept/file'), '');
  const top = join(directory, 'app');
  mkdirSync(join(top, 'a/b/c'), { recursive: true });
  mkdirSync(join(top, 'a/empty'));
  writeFileSync(join(top, 'a/b/file'), 'x');
  writeFileSync(Buffer.concat([Buffer.from(`${top}/a/`), Buffer.from([0xff, 0x0a, 0x20])]), 'no UTF-8');
  symlinkSync(outside, join(top, 'link'));
  symlinkSync('/nowhere', join(top, 'a/dangling'));
  spawnSync('mkfifo', [join(top, 'a/fifo')]);
  expect(removeTree(fd, 'app')).toBe(true);
  expect(readdirSync(directory)).toEqual(['outside']);
  expect(existsSync(join(outside, 'kept/file'))).toBe(true);
  expect(removeTree(fd, 'app')).toBe(false);
});

it('is not kept out by a depth that no path reaches', () => {
  mkdirSync(join(directory, 'app'));
  // 500 levels of 10 bytes: more than PATH_MAX.
  const script =
    'import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(500):\n os.mkdir("levels000")\n os.chdir("levels000")\nopen("file", "w")';
  expect(spawnSync('/usr/bin/python3', ['-c', script, join(directory, 'app')]).status).toBe(0);
  removeTree(fd, 'app');
  expect(readdirSync(directory)).toEqual([]);
});

it('refuses a link in the place of the directory itself', () => {
  mkdirSync(join(directory, 'outside/kept'), { recursive: true });
  symlinkSync('outside', join(directory, 'app'));
  expect(() => removeTree(fd, 'app')).toThrow(/ENOTDIR|ELOOP/);
  expect(readdirSync(directory).sort()).toEqual(['app', 'outside']);
  expect(readdirSync(join(directory, 'outside'))).toEqual(['kept']);
});

it('follows no link that somebody puts there meanwhile', async () => {
  const outside = join(directory, 'outside');
  mkdirSync(outside);
  for (let i = 0; i < 20; i++) writeFileSync(join(outside, `kept-${i}`), '');
  const top = join(directory, 'app');
  mkdirSync(top);
  chmodSync(top, 0o777);
  // Exchanges a directory for a link and back, as fast as it can.
  const attacker = new Worker(
    `const { mkdirSync, renameSync, symlinkSync, rmSync, writeFileSync } = require('node:fs');
const { workerData, parentPort } = require('node:worker_threads');
const { top, outside } = workerData;
const quietly = (act) => { try { act(); } catch {} };
parentPort.postMessage('on');
for (const end = Date.now() + 1500; Date.now() < end; ) {
  quietly(() => mkdirSync(top + '/d'));
  quietly(() => writeFileSync(top + '/d/file', ''));
  quietly(() => renameSync(top + '/d', top + '/e'));
  quietly(() => symlinkSync(outside, top + '/d'));
  quietly(() => rmSync(top + '/d'));
}`,
    { eval: true, workerData: { top, outside } },
  );
  const ended = new Promise((resolve) => attacker.once('exit', resolve));
  await new Promise((resolve) => attacker.once('message', resolve));
  for (const end = Date.now() + 1400; Date.now() < end; ) {
    mkdirSync(top, { recursive: true });
    try {
      removeTree(fd, 'app');
    } catch (error) {
      // Whoever goes on making things there may win, but never lead elsewhere.
      expect((error as NodeJS.ErrnoException).code).toMatch(/^(?:ENOTEMPTY|ENOENT|ENOTDIR|ELOOP|EEXIST)$/);
    }
  }
  await ended;
  expect(readdirSync(outside)).toHaveLength(20);
});
