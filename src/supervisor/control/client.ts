import { closeSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Peer } from '../../host/dial.ts';
import { dial } from '../../host/index.ts';
import type { MetactlError } from '../../util/error.ts';
import { monotonic } from '../../util/monotonic.ts';
import { connectError, ended, noAnswer, notOurs, type OneAnswer, readAnswer, SILENCE } from './answer.ts';
import { encode, LineReader, LONGEST_ANSWER, PROTOCOL_VERSION, type Request } from './protocol.ts';

export interface AskOptions {
  /** Milliseconds that the supervisor may say nothing; it says every two seconds that it lives. */
  readonly silence?: number;
  readonly onEvent?: (event: unknown) => void;
}

/** Milliseconds that a supervisor may take to be replaced by another process. */
const MOVING = 60_000;
const PAUSE = 20;
/** Milliseconds that finding out who is silent may take. */
const DIALLING = 1000;

/**
 * Asks a supervisor and waits for its answer; also where another process takes its place meanwhile.
 * @returns the result. @throws MetactlError of the supervisor; METACTL_NO_SUPERVISOR (3) where none listens there,
 * METACTL_NO_ANSWER where it is silent, METACTL_SUPERVISOR_ENDED where it goes away, METACTL_NEEDS_ROOT (77).
 */
export async function ask(
  path: string,
  verb: string,
  request: Readonly<Record<string, unknown>> = {},
  options: AskOptions = {},
): Promise<unknown> {
  let next: Readonly<Record<string, unknown>> = { ...request, verb };
  for (const end = monotonic() + MOVING; ; await sleep(PAUSE)) {
    const answer = await askOnce(path, next, options);
    if (!('next' in answer)) return answer.result;
    if (monotonic() > end) throw noAnswer(path, MOVING, await whoListens(path));
    next = answer.next;
  }
}

function askOnce(
  path: string,
  request: Readonly<Record<string, unknown>>,
  { silence = SILENCE, onEvent }: AskOptions,
): Promise<OneAnswer> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const reader = new LineReader(LONGEST_ANSWER);
    const fail = (error: MetactlError) => {
      socket.destroy();
      reject(error);
    };
    const take = (line: string) => {
      try {
        const answer = readAnswer(path, line, onEvent);
        if (answer === undefined) return;
        socket.destroy();
        resolve(answer);
      } catch (error) {
        fail(error as MetactlError);
      }
    };
    socket.setTimeout(silence, () => void whoListens(path).then((peer) => fail(noAnswer(path, silence, peer))));
    socket.on('connect', () => socket.write(encode({ ...request, v: PROTOCOL_VERSION, id: 1 } as Request)));
    socket.on('error', (error: NodeJS.ErrnoException) => fail(connectError(path, error)));
    socket.on('close', () => fail(ended(path)));
    socket.on('data', (chunk: Buffer) => {
      for (const line of reader.push(chunk)) if (!socket.destroyed) take(line);
      if (reader.overflowed) fail(notOurs(path));
    });
  });
}

/** Of one that does not answer: the kernel takes a connection for it all the same. Undefined where that can't be known. */
async function whoListens(path: string): Promise<Peer | undefined> {
  try {
    const call = await dial();
    const fd = call(path, DIALLING);
    try {
      return call.peer(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
