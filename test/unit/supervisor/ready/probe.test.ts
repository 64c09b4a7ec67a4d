import { createServer, type Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Inside } from '../../../../src/supervisor/ready/inside.ts';
import { ask, pauseAfter } from '../../../../src/supervisor/ready/probe.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** The loopback of this machine in an app's place. */
const inside: Inside = {
  addresses: ['127.0.0.1', '::1'],
  connect: (host, port) => new Socket().connect({ host, port }),
  run: async (argv, signal) =>
    new Promise((resolve) => {
      if (argv[0] === 'hang') signal.addEventListener('abort', () => resolve('killed'));
      else resolve(argv[0] === 'true' ? undefined : 'ended with status 1');
    }),
  close: () => {},
};

async function serve(answer: (socket: Socket) => void): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as { port: number }).port;
}

const never = new AbortController().signal;
const http = (port: number, timeout = 1000) => ask(inside, { kind: 'http', port, path: '/' }, timeout, never);

describe('pauseAfter', () => {
  it('grows from 10 ms to a second', () => {
    expect([0, 1, 2, 6, 7, 8, 1000].map(pauseAfter)).toEqual([10, 20, 40, 640, 1000, 1000, 1000]);
  });
});

describe('ask', () => {
  it('finds a port, or nobody', async () => {
    const port = await serve((socket) => socket.destroy());
    expect(await ask(inside, { kind: 'tcp', port }, 1000, never)).toBeUndefined();
    servers.pop()!.close();
    expect(await ask(inside, { kind: 'tcp', port }, 1000, never)).toBe(`port ${port}: connection refused`);
  });

  it('judges a web server by its status line', async () => {
    const answers = { 'HTTP/1.1 200 OK\r\n': undefined, 'HTTP/1.0 399\r\n': undefined, 'HTTP/1.1 404 Gone\r\n': '404' };
    for (const [answer, problem] of Object.entries(answers)) {
      const port = await serve((socket) => socket.end(answer));
      expect(await http(port)).toBe(problem === undefined ? undefined : `port ${port}: the answer was ${problem}`);
    }
  });

  it('goes by the final answer, however many others come before it', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n';
    const answers = [
      [['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 200 OK\r\n'], undefined],
      [[`${early}${early}HTTP/1.1 503 Busy\r\n`], '503'],
      [['HTTP/1.1 103 Early', ' Hints\r\nLink: x\r\n\r', '\nHTTP/1.1 204 No\r\n'], undefined],
      [['HTTP/1.1 100 Continue\r\n'], '100'],
      [['HTTP/1.1 101 Switching Protocols\r\n\r\n'], '101'],
    ] as const;
    for (const [parts, problem] of answers) {
      const port = await serve(async (socket) => {
        for (const part of parts) {
          socket.write(part);
          await sleep(10);
        }
        socket.end();
      });
      expect(await http(port)).toBe(problem === undefined ? undefined : `port ${port}: the answer was ${problem}`);
    }
  });

  it('refuses what is no HTTP, without reading all of it', async () => {
    for (const answer of ['SSH-2.0-x\r\n', '', 'HTTP/2 200\r\n', 'x'.repeat(100_000)]) {
      const port = await serve((socket) => socket.on('error', () => {}).end(answer));
      expect(await http(port)).toBe(`port ${port}: the answer is not HTTP`);
    }
  });

  it('asks for the path', async () => {
    let asked = '';
    const port = await serve((socket) =>
      socket.once('data', (data) => {
        asked = String(data);
        socket.end('HTTP/1.1 200 OK\r\n');
      }),
    );
    expect(await ask(inside, { kind: 'http', port, path: '/up?x=1' }, 1000, never)).toBeUndefined();
    expect(asked).toMatch(/^GET \/up\?x=1 HTTP\/1\.1\r\nHost: localhost\r\n/);
  });

  it('does not wait for ever', async () => {
    const port = await serve(() => {});
    expect(await http(port, 50)).toBe(`port ${port}: no answer in time`);
    expect(await ask(inside, { kind: 'exec', argv: ['hang'] }, 50, never)).toBe('the command did not end in time');
  });

  it('ends with the daemon', async () => {
    const end = new AbortController();
    const asked = ask(inside, { kind: 'exec', argv: ['hang'] }, 60_000, end.signal);
    end.abort();
    await asked;
  });

  it('passes on what a command says', async () => {
    expect(await ask(inside, { kind: 'exec', argv: ['true'] }, 1000, never)).toBeUndefined();
    expect(await ask(inside, { kind: 'exec', argv: ['false'] }, 1000, never)).toBe('ended with status 1');
  });
});
