import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { logs } from '../../../../src/host/linux/logs.ts';
import { Compressor } from '../../../../src/supervisor/logs/compress.ts';
import { FileSink } from '../../../../src/supervisor/logs/file-sink.ts';
import { pathsFor } from '../../../../src/util/paths.ts';

/** Longer than what was looked at a moment ago is good enough. ms */
const LATER = 1100;

let root: string;
let directory: string;
let sink: FileSink;
let problems: string[];
const compressor = new Compressor();
let written = 0;

async function openSink(maxSize = 1 << 20): Promise<void> {
  const store = await logs.store(pathsFor(root), 'shop');
  sink = new FileSink({
    host: logs,
    directory: store,
    directoryNow: () => logs.store(pathsFor(root), 'shop'),
    file: await store.open('web.log'),
    daemon: 'web',
    rotation: { maxSize, daily: false, maxFiles: 30, maxAge: Number.POSITIVE_INFINITY },
    compressor,
    onProblem: (text) => problems.push(text),
  });
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'metactl-moved-'));
  directory = join(root, 'var/log/metactl/shop');
  problems = [];
  written = 0;
  await openSink();
  await write();
});
afterEach(async () => {
  await sink.close(5000);
  rmSync(root, { recursive: true });
});

async function write(): Promise<void> {
  void sink.push(Buffer.from(`line ${++written}\n`), { stream: 'out', pid: 1, time: Date.now() });
  expect(await sink.flush(5000)).toBe(true);
}

const numbers = (path: string) =>
  [...readFileSync(path, 'utf8').matchAll(/line (\d+)$/gm)].map((match) => Number(match[1]));

it('goes on in a new file where somebody has moved it, and leaves the old one alone', async () => {
  const { mode, gid } = statSync(join(directory, 'web.log'));
  renameSync(join(directory, 'web.log'), join(directory, 'web.log.1'));
  await write();
  await sleep(LATER);
  await write();
  await write();
  expect(numbers(join(directory, 'web.log.1'))).toEqual([1, 2]);
  expect(numbers(join(directory, 'web.log'))).toEqual([3, 4]);
  expect(statSync(join(directory, 'web.log'))).toMatchObject({ mode, gid });
  expect(problems).toEqual([]);
});

it('goes on in the one that logrotate has made in its place', async () => {
  renameSync(join(directory, 'web.log'), join(directory, 'web.log.1'));
  writeFileSync(join(directory, 'web.log'), 'made by somebody', { mode: 0o600 });
  await sleep(LATER);
  await write();
  expect(readFileSync(join(directory, 'web.log'), 'utf8')).toMatch(/^made by somebody\n\S+ 1 out: line 2\n$/);
});

it('makes it anew where somebody has removed it, or its directory', async () => {
  unlinkSync(join(directory, 'web.log'));
  await sleep(LATER);
  await write();
  expect(numbers(join(directory, 'web.log'))).toEqual([2]);
  renameSync(directory, `${directory}.old`);
  await sleep(LATER);
  await write();
  expect(numbers(join(`${directory}.old`, 'web.log'))).toEqual([2]);
  expect(numbers(join(directory, 'web.log'))).toEqual([3]);
  rmSync(directory, { recursive: true });
  await sleep(LATER);
  await write();
  expect(numbers(join(directory, 'web.log'))).toEqual([4]);
  expect(statSync(directory).mode & 0o777).toBe(0o750);
  expect(problems).toEqual([]);
  const open = readdirSync('/proc/self/fd').length;
  await sink.close(5000);
  await expect.poll(() => readdirSync('/proc/self/fd').length).toBe(open - 2);
});

it('follows no symlink, tells so once, and writes on', async () => {
  const elsewhere = join(root, 'elsewhere');
  mkdirSync(elsewhere);
  renameSync(join(directory, 'web.log'), join(directory, 'web.log.1'));
  symlinkSync(join(elsewhere, 'file'), join(directory, 'web.log'));
  for (let i = 0; i < 2; i++) {
    await sleep(LATER);
    await write();
  }
  expect(problems).toEqual([`can't open the log ${directory}/web.log: ELOOP`]);
  expect(readdirSync(elsewhere)).toEqual([]);
  unlinkSync(join(directory, 'web.log'));
  await sleep(LATER);
  await write();
  expect(numbers(join(directory, 'web.log.1'))).toEqual([1, 2, 3]);
  expect(numbers(join(directory, 'web.log'))).toEqual([4]);
});

it('does not rotate what somebody else has put in its place without a look', async () => {
  await sink.close(5000);
  await openSink(100);
  await write();
  renameSync(join(directory, 'web.log'), join(directory, 'web.log.1'));
  for (let i = 0; i < 6; i++) await write();
  const names = readdirSync(directory).filter((name) => name !== 'web.log');
  const all = [...names.filter((name) => name !== 'web.log.1').sort(), 'web.log'];
  expect([...numbers(join(directory, 'web.log.1')), ...all.flatMap((name) => numbers(join(directory, name)))]).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8,
  ]);
  expect(problems).toEqual([]);
});
