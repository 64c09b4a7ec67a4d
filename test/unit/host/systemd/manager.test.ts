import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { decodeMessage, type encodeCall, messageSize } from '../../../../src/host/linux/systemd/dbus-message.ts';
import { DbusWriter } from '../../../../src/host/linux/systemd/dbus-writer.ts';
import { systemdManager } from '../../../../src/host/linux/systemd/manager.ts';
import type { MetactlError } from '../../../../src/util/error.ts';

let directory: string;
let path: string;
let server: Server | undefined;
const sockets: Socket[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-systemd-'));
  path = join(directory, 'private');
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true, force: true });
});

type Answer = {
  readonly type: 2 | 3;
  readonly arguments: Parameters<typeof encodeCall>[0]['arguments'];
  readonly name?: string;
};

function answer(serial: number, { type, arguments: values, name }: Answer): Buffer {
  const body = new DbusWriter();
  for (const [signature, value] of values) body.value(signature, value);
  const head = new DbusWriter();
  for (const byte of [0x6c, type, 0, 1]) head.value('y', byte);
  head.value('u', body.size);
  head.value('u', 99);
  head.value('a(yv)', [
    [5, ['u', serial]],
    ...(name === undefined ? [] : [[4, ['s', name]]]),
    [8, ['g', values.map(([signature]) => signature).join('')]],
  ]);
  head.align(8);
  return Buffer.concat([head.bytes(), body.bytes()]);
}

/** Answers every call after the greeting; `calls` has what was asked. */
function listen(
  answers: (body: readonly unknown[]) => Answer,
  greeting = 'OK 1234\r\nAGREE_UNIX_FD\r\n',
): readonly unknown[][] {
  const calls: unknown[][] = [];
  server = createServer((socket) => {
    sockets.push(socket);
    let bytes = Buffer.alloc(0);
    let begun = false;
    let greeted = false;
    let serial = 0;
    socket.on('data', (data: Buffer) => {
      bytes = Buffer.concat([bytes, data]);
      // systemd would leave a call lying there that came before it has greeted.
      if (begun && !greeted) socket.destroy();
      const begin = bytes.indexOf('BEGIN\r\n');
      if (!begun && begin >= 0) {
        begun = true;
        expect(bytes.toString('latin1', 0, begin)).toMatch(/^\0AUTH EXTERNAL [0-9a-f]+\r\nNEGOTIATE_UNIX_FD\r\n$/);
        bytes = bytes.subarray(begin + 7);
        if (bytes.length > 0) socket.destroy();
        setTimeout(() => {
          greeted = true;
          socket.write(greeting);
        }, 5);
      }
      for (
        let size = messageSize(bytes);
        begun && size !== undefined && size <= bytes.length;
        size = messageSize(bytes)
      ) {
        const { body } = decodeMessage(bytes.subarray(0, size));
        bytes = bytes.subarray(size);
        calls.push([...body]);
        const reply = answer(++serial, answers(body));
        // In two pieces, as a stream may deliver it.
        socket.write(reply.subarray(0, 20));
        setTimeout(() => socket.write(reply.subarray(20)), 2);
      }
    });
  }).listen(path);
  return calls;
}

const text = (value: string): Answer => ({ type: 2, arguments: [['v', ['s', value]]] });
const FACTS: Readonly<Record<string, Answer>> = {
  Id: text('shop.service'),
  ControlGroup: text('/system.slice/shop.service'),
  Delegate: { type: 2, arguments: [['v', ['b', true]]] },
  MainPID: { type: 2, arguments: [['v', ['u', 42]]] },
};

it('tells what unit a process is in', async () => {
  listen((body) => (body.length === 1 ? { type: 2, arguments: [['o', '/unit']] } : FACTS[String(body[1])]!));
  expect(await systemdManager(path).unitOf(42)).toEqual({
    id: 'shop.service',
    controlGroup: '/system.slice/shop.service',
    delegates: true,
    mainPid: 42,
  });
});

it('knows that a slice delegates nothing', async () => {
  listen((body) => (body.length === 1 ? { type: 2, arguments: [['o', '/unit']] } : text('user.slice')));
  expect(await systemdManager(path).unitOf(42)).toEqual({
    id: 'user.slice',
    controlGroup: '',
    delegates: false,
    mainPid: 0,
  });
});

it('tells where there is no unit', async () => {
  listen(() => ({ type: 3, arguments: [['s', 'none']], name: 'org.freedesktop.systemd1.NoUnitForPID' }));
  expect(await systemdManager(path).unitOf(42)).toBeUndefined();
});

it('asks for a scope with a delegated cgroup', async () => {
  const calls = listen(() => ({ type: 2, arguments: [['o', '/job/1']] }));
  await systemdManager(path).startScope('metactl-shop-42.scope', 'metactl shop', 42);
  expect(calls).toEqual([
    [
      'metactl-shop-42.scope',
      'fail',
      [
        ['Description', 'metactl shop'],
        ['Delegate', true],
        ['CollectMode', 'inactive-or-failed'],
        ['PIDs', [42]],
      ],
      [],
    ],
  ]);
});

it('passes on what systemd answers instead', async () => {
  listen(() => ({ type: 3, arguments: [['s', 'Unit x already exists.']] }));
  await expect(systemdManager(path).startScope('x', 'x', 1)).rejects.toThrow(
    'systemd gave no answer that helps: StartTransientUnit: Unit x already exists.',
  );
});

it('says so where nobody listens, is refused, or is not answered', async () => {
  const failure = async (): Promise<MetactlError> => {
    const result = await systemdManager(path)
      .unitOf(1)
      .catch((error: MetactlError) => error);
    return result as MetactlError;
  };
  expect(await failure()).toMatchObject({
    code: 'METACTL_SYSTEMD',
    message: `systemd gave no answer that helps: connect ENOENT ${path}`,
    hint: 'start metactl in a unit with Delegate=yes, then it needs to ask for nothing',
  });
  listen(() => text(''), 'REJECTED EXTERNAL\r\n');
  expect((await failure()).message).toBe('systemd gave no answer that helps: it refuses us');
  server?.close();
  rmSync(path, { force: true });
  server = createServer((socket) => socket.destroy()).listen(path);
  expect((await failure()).message).toMatch(
    /^systemd gave no answer that helps: (it closed the connection|write EPIPE|read ECONNRESET)$/,
  );
});
