import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '../../../../src/supervisor/control/client.ts';
import { LONGEST_REQUEST } from '../../../../src/supervisor/control/protocol.ts';
import { type ControlOptions, type ControlServer, listenControl } from '../../../../src/supervisor/control/server.ts';
import { MetactlError } from '../../../../src/util/error.ts';

let directory: string;
let path: string;
let server: ControlServer | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-control-'));
  path = join(directory, 'control.sock');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

async function listen(options: Partial<ControlOptions> = {}): Promise<void> {
  server = await listenControl(path, {
    host: { peerUid: () => 0 },
    handlers: {
      echo: ({ text }) => text,
      fail() {
        throw new MetactlError('it is so', { code: 'METACTL_X', hint: 'do', exitStatus: 5 });
      },
      count(_request, { send }) {
        for (const n of [1, 2]) send({ n });
      },
      never: () => new Promise(() => {}),
    },
    ...options,
  });
}

/** Everything that comes until the other side closes. */
function talk(text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = createConnection(path);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      got += chunk;
    });
    socket.on('close', () => resolve(got));
    socket.write(text);
  });
}

describe('a control socket', () => {
  it('lets a request wait for a hundred daemons without a warning of Node', async () => {
    const warnings: string[] = [];
    const warned = ({ name }: Error) => void warnings.push(name);
    process.on('warning', warned);
    const wait = (_request: unknown, { gone }: { readonly gone: AbortSignal }) => {
      for (let n = 0; n < 100; n++) gone.addEventListener('abort', () => {});
      return 'done';
    };
    await listen({ handlers: { wait } });
    expect(await ask(path, 'wait')).toBe('done');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  it("is its owner's alone, and gone when it is closed", async () => {
    await listen();
    expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
    await server!.close();
    server = undefined;
    expect(existsSync(path)).toBe(false);
  });

  it('is made anew where it was removed, and conversations go on', async () => {
    await listen();
    expect(server!.isThere()).toBe(true);
    let release = () => {};
    await server!.close();
    await listen({
      handlers: { slow: () => new Promise((resolve) => (release = () => resolve('done'))), echo: ({ text }) => text },
    });
    const slow = ask(path, 'slow');
    await new Promise((resolve) => setTimeout(resolve, 50));
    rmSync(path);
    expect(server!.isThere()).toBe(false);
    await server!.renew();
    expect(server!.isThere()).toBe(true);
    expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
    expect(await ask(path, 'echo', { text: 'a' })).toBe('a');
    release();
    expect(await slow).toBe('done');
    // Another one's is not taken for it, and its own is not found at another place.
    rmSync(path);
    const other = createServer().listen(path);
    await new Promise((resolve) => other.on('listening', resolve));
    expect(server!.isThere()).toBe(false);
    await new Promise((resolve) => other.close(resolve));
  });

  it('answers who only listens when it ends, and nobody else', async () => {
    const gone = ({ signal }: { signal: AbortSignal }) =>
      new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    await listen({
      handlers: {
        listen: (_request, conversation) => gone({ signal: conversation.gone }),
        wait: (_request, conversation) =>
          gone({ signal: conversation.gone }).then(() => {
            throw new MetactlError('the client has gone', { code: 'METACTL_GONE' });
          }),
      },
    });
    const asked = [ask(path, 'listen'), ask(path, 'wait').catch(({ code }) => code)];
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server!.close();
    server = undefined;
    expect(await Promise.all(asked)).toEqual([null, 'METACTL_SUPERVISOR_ENDED']);
  });

  it('replaces that of a supervisor that is dead', async () => {
    await listen();
    const first = server!;
    await listen();
    expect(await ask(path, 'echo', { text: 'x' })).toBe('x');
    await first.close();
  });

  it('can be no longer than the kernel allows: says so', async () => {
    const long = join(directory, 'x'.repeat(120));
    await expect(listenControl(long, { host: { peerUid: () => 0 }, handlers: {} })).rejects.toMatchObject({
      message: `${long} is too long for a socket: 107 bytes are allowed`,
      code: 'METACTL_CONTROL_SOCKET',
      hint: 'use a shorter --root',
    });
    const nowhere = join(directory, 'no/x.sock');
    await expect(listenControl(nowhere, { host: { peerUid: () => 0 }, handlers: {} })).rejects.toMatchObject({
      message: `can't listen on ${nowhere}: EACCES`,
      code: 'METACTL_CONTROL_SOCKET',
    });
  });

  it('answers results, events and errors', async () => {
    await listen();
    expect(await ask(path, 'echo', { text: 'hello' })).toBe('hello');
    const events: unknown[] = [];
    expect(await ask(path, 'count', {}, { onEvent: (event) => events.push(event) })).toBeNull();
    expect(events).toEqual([{ n: 1 }, { n: 2 }]);
    await expect(ask(path, 'fail')).rejects.toMatchObject({
      message: 'it is so',
      code: 'METACTL_X',
      hint: 'do',
      exitStatus: 5,
    });
    await expect(ask(path, 'toString')).rejects.toMatchObject({
      message: 'this supervisor has no verb `toString`; it has echo fail count never',
    });
  });

  it('lets nobody in but root and its owner', async () => {
    await listen({ host: { peerUid: () => 65_534 } });
    await expect(ask(path, 'echo', { text: 'x' })).rejects.toMatchObject({ code: 'METACTL_SUPERVISOR_ENDED' });
  });

  it('lets nobody in whom the kernel does not know', async () => {
    await listen({
      host: {
        peerUid() {
          throw new Error('ENOTCONN');
        },
      },
    });
    await expect(ask(path, 'echo', { text: 'x' })).rejects.toMatchObject({ code: 'METACTL_SUPERVISOR_ENDED' });
  });

  it('bounds the length of a request', async () => {
    await listen();
    const got = await talk('x'.repeat(LONGEST_REQUEST + 1));
    expect(JSON.parse(got)).toEqual({
      v: 1,
      id: null,
      error: { code: 'METACTL_BAD_REQUEST', message: `a request is longer than ${LONGEST_REQUEST} bytes` },
    });
  });

  it('bounds the number of clients', async () => {
    await listen({ limits: { clients: 1 } });
    const first = createConnection(path);
    await new Promise((resolve) => first.on('connect', resolve));
    expect(JSON.parse(await talk(''))).toMatchObject({
      error: { code: 'METACTL_TOO_MANY_CLIENTS', message: 'there are 1 clients already' },
    });
    first.destroy();
  });

  it('lets go of a client that asks nothing', async () => {
    await listen({ limits: { patience: 30 } });
    expect(await talk('')).toBe('');
  });

  it('lets go of a client that reads nothing', async () => {
    let sent = 0;
    await listen({
      limits: { backlog: 100_000 },
      handlers: {
        flood: (_request, { send, gone }) =>
          new Promise<void>((resolve) => {
            const timer = setInterval(() => {
              send('x'.repeat(50_000));
              sent++;
            });
            gone.addEventListener('abort', () => {
              clearInterval(timer);
              resolve();
            });
          }),
      },
    });
    const socket = createConnection(path);
    socket.on('error', () => {});
    socket.pause();
    socket.write('{"v":1,"id":1,"verb":"flood"}\n');
    for (let before = -1; before !== sent || sent === 0; ) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(sent).toBeLessThan(100);
    socket.destroy();
  });

  it('answers several requests of one client, bad ones too', async () => {
    await listen({ limits: { patience: 50 } });
    const got = await talk('nonsense\n{"v":1,"id":2,"verb":"echo","text":"b"}\n{"v":9,"id":3,"verb":"echo"}\n');
    const answers = got
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers.map(({ id }) => id).sort()).toEqual([2, 3, null]);
  });
});

describe('ask', () => {
  it('says where none listens: 3', async () => {
    const expected = {
      message: 'no supervisor of metactl is running',
      code: 'METACTL_NO_SUPERVISOR',
      hint: 'metactl start APP starts one',
      exitStatus: 3,
    };
    await expect(ask(path, 'status')).rejects.toMatchObject(expected);
    const dead = createServer().listen(path);
    await new Promise((resolve) => dead.on('listening', resolve));
    // Closing unlinks it, so it is put aside first: this is what a SIGKILL leaves.
    const { linkSync } = await import('node:fs');
    linkSync(path, `${path}.dead`);
    await new Promise((resolve) => dead.close(resolve));
    await expect(ask(`${path}.dead`, 'status')).rejects.toMatchObject(expected);
  });

  it('says that the supervisor is silent', async () => {
    const silent = createServer(() => {}).listen(path);
    await new Promise((resolve) => silent.on('listening', resolve));
    await expect(ask(path, 'status', {}, { silence: 50 })).rejects.toMatchObject({
      message: 'the supervisor has said nothing for 0.05 s',
      code: 'METACTL_NO_ANSWER',
    });
    silent.close();
  });

  it('waits for what takes long while there are signs of life', async () => {
    await listen();
    const wait = ask(path, 'never', {}, { silence: 2500 });
    const first = await Promise.race([
      wait,
      new Promise((resolve) => setTimeout(() => resolve('still waiting'), 3500)),
    ]);
    expect(first).toBe('still waiting');
    const lost = expect(wait).rejects.toMatchObject({
      message: 'the supervisor ended before it answered',
      code: 'METACTL_SUPERVISOR_ENDED',
    });
    await server!.close();
    server = undefined;
    await lost;
  });

  it('says that the answer is not of this protocol', async () => {
    const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\n')).listen(path);
    await new Promise((resolve) => other.on('listening', resolve));
    await expect(ask(path, 'status')).rejects.toMatchObject({
      message: 'the supervisor answered in a way that this metactl does not understand',
      code: 'METACTL_PROTOCOL',
    });
    other.close();
  });
});
