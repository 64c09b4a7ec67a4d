import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { OutputStream } from '../../../src/host/host.ts';
import { DaemonLog } from '../../../src/supervisor/logs/daemon-log.ts';
import type { Sink } from '../../../src/supervisor/logs/sink.ts';
import { OutputCopy } from '../../../src/supervisor/output.ts';
import { watchLines } from '../../../src/supervisor/ready/log-match.ts';
import { GatheredBytes } from '../../../src/util/gathered-bytes.ts';

/** What a program writes that never ends a line, 16 bytes at a time. */
const PIECE = Buffer.from('0123456789abcdef');
const PIECES = 65_536;
const SIZE = PIECE.length * PIECES;

/** Bytes that were copied by what copies bytes; they are copied all the same. */
let copied = 0;
beforeEach(() => {
  copied = 0;
  const { concat } = Buffer;
  vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
    const all = concat(list, length);
    copied += all.length;
    return all;
  });
  const set = Uint8Array.prototype.set;
  vi.spyOn(Uint8Array.prototype, 'set').mockImplementation(function (this: Uint8Array, from: ArrayLike<number>, at) {
    copied += from.length;
    set.call(this, from, at);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

it('are logged by work that grows with their length only', () => {
  const pushed: Buffer[] = [];
  const sink: Sink = {
    push: (bytes) => void pushed.push(Buffer.from(bytes)),
    flush: async () => true,
    handOver: () => ({ losses: { lost: 0, code: undefined } }),
    close: async () => {},
  };
  const { io } = new DaemonLog(sink).startOutput();
  const out = io.stdout as { receive(bytes: Buffer): boolean };
  for (let i = 0; i < PIECES; i++) out.receive(PIECE);
  expect(copied).toBeLessThan(4 * SIZE);
  out.receive(Buffer.from('end\nnext'));
  const all = Buffer.concat(pushed).toString();
  expect(all === `${PIECE.toString().repeat(PIECES)}end\n`).toBe(true);
  expect(Math.max(...pushed.map(({ length }) => length))).toBeLessThan(49_152 + 2 * PIECE.length);
});

it('are passed on by such work, too', () => {
  let written = '';
  const to = new Writable({
    write(chunk, _encoding, done) {
      written += chunk;
      done();
    },
  });
  const copy = new OutputCopy(to, { prefix: 'web | ', escape: true });
  for (let i = 0; i < PIECES; i++) copy.push(PIECE);
  expect(copied).toBeLessThan(4 * SIZE);
  copy.push(Buffer.from('end\nnext\nlast'));
  expect(written.replace(/^web \| /gm, '').replaceAll('\n', '')).toBe(`${PIECE.toString().repeat(PIECES)}endnext`);
  copy.end();
  expect(written.split('\n').slice(-3)).toEqual(['web | next', 'web | last', '']);
});

it('are looked through for a pattern by such work, too', () => {
  const stream = Object.assign(new EventEmitter(), { received: true });
  let looked = 0;
  const split = String.prototype.split;
  vi.spyOn(String.prototype, 'split').mockImplementation(function (this: string, ...args: Parameters<typeof split>) {
    looked += this.length;
    return split.apply(this, args);
  });
  const lines: string[] = [];
  const found = vi.fn();
  const matches = Object.assign((line: string) => lines.push(line) > 0 && line === 'ready', { size: 1 });
  watchLines(stream as unknown as OutputStream, matches, found);
  for (let i = 0; i < PIECES; i++) stream.emit('bytes', PIECE);
  expect(looked).toBeLessThan(4 * SIZE);
  expect(lines).toEqual([PIECE.toString().repeat(1024)]);
  stream.emit('bytes', Buffer.from('end\nrea'));
  stream.emit('bytes', Buffer.from('dy\n'));
  expect(found).toHaveBeenCalledOnce();
});

it('are gathered as they came', () => {
  const gathered = new GatheredBytes();
  expect([gathered.length, gathered.bytes.toString()]).toEqual([0, '']);
  for (const piece of ['a', 'bc', '', 'defg']) gathered.append(Buffer.from(piece));
  expect(gathered.bytes.toString()).toBe('abcdefg');
  gathered.drop(5);
  gathered.append(Buffer.from('h'));
  expect(gathered.bytes.toString()).toBe('fgh');
  gathered.append(Buffer.alloc(10_000, 'x'));
  gathered.clear();
  expect(gathered.length).toBe(0);
  gathered.append(Buffer.from('i'));
  expect(gathered.bytes.toString()).toBe('i');
});
