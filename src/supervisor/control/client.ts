import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, MetactlError } from '../../util/error.ts';
import {
  type Answer,
  encode,
  errorOf,
  LineReader,
  LONGEST_ANSWER,
  PROTOCOL_VERSION,
  type Request,
} from './protocol.ts';

export interface AskOptions {
  /** Milliseconds that the supervisor may say nothing; it says every two seconds that it lives. */
  readonly silence?: number;
  readonly onEvent?: (event: unknown) => void;
}

const SILENCE = 15_000;

/** Milliseconds that a supervisor may take to be replaced by another process. */
const MOVING = 60_000;
const PAUSE = 20;

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
  for (const end = milliseconds() + MOVING; ; await sleep(PAUSE)) {
    const answer = await askOnce(path, next, options);
    if (!('next' in answer)) return answer.result;
    if (milliseconds() > end) throw noAnswer(path, MOVING);
    next = answer.next;
  }
}

/** Monotonic. The first use of `performance` would take a millisecond. */
function milliseconds(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

type OneAnswer = { readonly result: unknown } | { readonly next: Readonly<Record<string, unknown>> };

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
      const answer = parseAnswer(line);
      if (answer === undefined || answer.v !== PROTOCOL_VERSION) return fail(notOurs(path));
      if (answer.error !== undefined) return fail(errorOf(answer.error));
      if ('result' in answer || answer.next !== undefined) {
        socket.destroy();
        resolve(answer.next === undefined ? { result: answer.result } : { next: answer.next });
      } else if ('event' in answer) onEvent?.(answer.event);
    };
    socket.setTimeout(silence, () => fail(noAnswer(path, silence)));
    socket.on('connect', () => socket.write(encode({ ...request, v: PROTOCOL_VERSION, id: 1 } as Request)));
    socket.on('error', (error: NodeJS.ErrnoException) => fail(connectError(path, error)));
    socket.on('close', () => fail(ended(path)));
    socket.on('data', (chunk: Buffer) => {
      for (const line of reader.push(chunk)) if (!socket.destroyed) take(line);
      if (reader.overflowed) fail(notOurs(path));
    });
  });
}

function parseAnswer(line: string): Answer | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** True where nobody listens at the other end of a control socket. Pure. */
export function isAbsent(error: unknown): boolean {
  return error instanceof MetactlError && error.code === 'METACTL_NO_SUPERVISOR';
}

function connectError(path: string, error: NodeJS.ErrnoException): MetactlError {
  const { code = 'EIO' } = error;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return noSupervisor(path);
  if (code === 'EACCES' || code === 'EPERM') {
    return new MetactlError(`only root may talk to the supervisor`, {
      code: 'METACTL_NEEDS_ROOT',
      path,
      hint: 'run it as root',
      exitStatus: EXIT.needsRoot,
    });
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') return ended(path);
  return new MetactlError(`can't talk to the supervisor: ${code}`, {
    code,
    step: 'connect to the supervisor',
    path,
    hint: 'look at the socket',
    cause: error,
  });
}

export function noSupervisor(path: string): MetactlError {
  return new MetactlError('no supervisor of metactl is running', {
    code: 'METACTL_NO_SUPERVISOR',
    path,
    hint: 'metactl start APP starts one',
    exitStatus: EXIT.notRunning,
  });
}

function ended(path: string): MetactlError {
  return new MetactlError('the supervisor ended before it answered', {
    code: 'METACTL_SUPERVISOR_ENDED',
    path,
    hint: 'what it ran has ended with it; start it again, and look at /var/log/metactl/supervisor.log',
  });
}

function noAnswer(path: string, silence: number): MetactlError {
  return new MetactlError(`the supervisor has said nothing for ${silence / 1000} s`, {
    code: 'METACTL_NO_ANSWER',
    path,
    hint: 'it may be stopped (SIGSTOP) or the machine too busy; its pid is in metactl status --json',
  });
}

function notOurs(path: string): MetactlError {
  return new MetactlError('the supervisor answered in a way that this metactl does not understand', {
    code: 'METACTL_PROTOCOL',
    path,
    hint: 'it may be of another version: restart it',
  });
}
