import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ask } from '../../../../src/supervisor/control/client.ts';
import { Client } from '../../../../src/supervisor/control/client-connection.ts';
import { GoOn, isMoved } from '../../../../src/supervisor/control/moving.ts';
import { type ControlServer, type Handler, listenControl } from '../../../../src/supervisor/control/server.ts';

let directory: string;
let path: string;
let server: ControlServer;
/** Requests that are at work. */
let asked = 0;

/** Waits until it is moved; then its client asks for the answer. */
const wait: Handler = async (_request, { gone }) => {
  asked++;
  await new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve()));
  if (isMoved(gone)) throw new GoOn({ verb: 'echo', text: 'moved' });
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-move-'));
  path = join(directory, 'control.sock');
  const echo: Handler = ({ text }) => text;
  asked = 0;
  const never: Handler = () => {
    asked++;
    return new Promise(() => {});
  };
  const handlers = { echo, wait, never };
  server = await listenControl(path, { host: { peerUid: () => 0 }, handlers });
});
afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

it('clients ask the next process what they are told, and what was not begun once more', async () => {
  const waiting = ask(path, 'wait');
  let begun = 0;
  const late = ask(path, 'never', { text: 'x' }).catch(() => begun++);
  for (let i = 0; asked < 2 && i < 500; i++) await sleep(10);
  await server.move();
  expect(server.handOver().clients).toEqual([]);
  const during = ask(path, 'echo', { text: 'during' });
  await sleep(100);
  server.stay();
  expect(await waiting).toBe('moved');
  expect(await during).toBe('during');
  await server.close();
  await late;
  expect(begun).toBe(1);
});

it('who has asked nothing yet is handed over, with the beginning of its request', async () => {
  const socket = createConnection(path);
  socket.write('{"v":1,"id":1,');
  await sleep(500);
  await server.move();
  const { clients, listener } = server.handOver();
  expect(clients).toHaveLength(1);
  expect(listener.fd).toBeGreaterThan(2);
  expect(Buffer.from(clients[0]!.begun).toString()).toBe('{"v":1,"id":1,');
  socket.destroy();
});

it('who has left at this moment is not handed over', () => {
  const socket = new Socket();
  const client = new Client(socket, { host: { peerUid: () => 0 }, handlers: {} }, () => true);
  socket.destroy();
  // What Node leaves of a connection between its end and `close`.
  Object.assign(socket, { _handle: null });
  expect(client.handOver()).toBeUndefined();
});
