import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dial } from '../../../src/host/linux/dial.ts';
import { askStatus } from '../../../src/supervisor/control/ask-all.ts';
import { sendQuestion } from '../../../src/supervisor/control/question.ts';
import { pathsFor } from '../../../src/util/paths.ts';

/** A supervisor in a thread of its own, because this one blocks: to the first question it sends `first`, to others
 * `pieces`, 20 ms apart. */
const SUPERVISOR = `
const { parentPort, workerData: { path, first, pieces, end } } = require('node:worker_threads');
let asked = 0;
const server = require('node:net').createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', async (request) => {
    for (const piece of asked++ === 0 ? first : pieces) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.write(piece === 'echo' ? JSON.stringify({ v: 1, id: 1, result: JSON.parse(request) }) + '\\n' : piece);
    }
    if (end) socket.end();
  });
});
server.listen(path, () => parentPort.postMessage('listens'));
`;

let directory: string;
let path: string;
const workers: Worker[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-question-'));
  path = join(directory, 'control.sock');
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate();
  rmSync(directory, { recursive: true });
});

async function answering(pieces: readonly string[], { end = false, at = path, first = pieces } = {}): Promise<void> {
  const worker = new Worker(SUPERVISOR, { eval: true, workerData: { path: at, first, pieces, end } });
  workers.push(worker);
  await once(worker, 'message');
}

const line = (message: object) => `${JSON.stringify({ v: 1, id: 1, ...message })}\n`;
const ask = (silence = 5000) => {
  const question = sendQuestion(dial, path, { verb: 'status', app: 'shop' }, silence);
  try {
    return question.answer();
  } finally {
    question.close();
  }
};

describe('a question', () => {
  it('sends what is asked, and gives the answer', async () => {
    await answering(['echo']);
    expect(ask()).toEqual({ result: { v: 1, id: 1, verb: 'status', app: 'shop' } });
  });

  it('waits over signs of life and events, in whatever pieces they come', async () => {
    const long = 'x'.repeat(200_000);
    const text = line({}) + line({ event: 1 }) + line({ result: long });
    await answering([text.slice(0, 7), text.slice(7, 100_000), text.slice(100_000)]);
    expect(ask()).toEqual({ result: long });
  });

  it('tells what to ask the process that takes the place of the supervisor', async () => {
    await answering([line({ next: { verb: 'status' } })]);
    expect(ask()).toEqual({ next: { verb: 'status' } });
  });

  it.each([
    ['an error of the supervisor', [line({ error: { code: 'METACTL_X', message: 'so' } })], false, 'METACTL_X', 'so'],
    ['another version', [line({ v: 2, result: 1 })], false, 'METACTL_PROTOCOL', 'does not understand'],
    ['no JSON', ['hello\n'], false, 'METACTL_PROTOCOL', 'does not understand'],
    ['an end in the middle', ['{"v":1,'], true, 'METACTL_SUPERVISOR_ENDED', 'ended before it answered'],
    ['silence', [], false, 'METACTL_NO_ANSWER', 'has said nothing for 0.3 s'],
  ])('%s is told', async (_what, pieces, end, code, message) => {
    await answering(pieces, { end });
    expect(() => ask(300)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });

  it('finds nobody, also at a path that is too long for a socket', () => {
    expect(() => ask()).toThrow(expect.objectContaining({ code: 'METACTL_NO_SUPERVISOR', exitStatus: 3 }));
    path = join(directory, 'x'.repeat(120));
    expect(() => ask()).toThrow(expect.objectContaining({ code: 'METACTL_NO_SUPERVISOR' }));
  });

  it('keeps no descriptor', async () => {
    await answering(['echo']);
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 5; i++) ask();
    // The other ends are in this process too.
    await expect.poll(() => readdirSync('/proc/self/fd').length).toBe(before);
  });
});

it('the status of a supervisor that is being replaced is asked from the next one', async () => {
  const paths = pathsFor(directory);
  mkdirSync(paths.run, { recursive: true });
  const record = { app: 'shop', daemon: 'web', pid: 1, since: '' };
  const next = line({ next: { verb: 'status', again: true } });
  await answering([line({ result: [record] })], { at: join(paths.run, 'control.sock'), first: [next] });
  expect(await askStatus(paths)).toEqual([record]);
});
