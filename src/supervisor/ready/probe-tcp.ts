import type { Socket } from 'node:net';
import type { Inside } from './inside.ts';

/** More than any status line needs. */
const LONGEST_ANSWER = 4096;

type Network = Pick<Inside, 'connect' | 'addresses'>;

/** Whether anything accepts connections on a port. @returns undefined where it does, else what is wrong. */
export function probeTcp(network: Network, port: number, signal: AbortSignal): Promise<string | undefined> {
  return tryAll(network, port, signal, (socket, done) => {
    socket.once('connect', () => done(undefined));
  });
}

/** Whether a web server answers with a status from 200 to 399. Only the status line is read: the answer is the app's. */
export function probeHttp(
  network: Network,
  port: number,
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  return tryAll(network, port, signal, (socket, done) => {
    let answer = '';
    socket.once('connect', () => {
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: metactl\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
      );
    });
    socket.on('data', (chunk: Buffer) => {
      answer = withoutInterim(answer + chunk.toString('latin1'));
      if (answer.length > LONGEST_ANSWER || (answer.includes('\n') && !INTERIM.test(answer))) done(judge(answer));
    });
    socket.once('end', () => done(judge(answer)));
  });
}

/** An answer before the final one (RFC 9110, 15.2), which has a head only. 101 is final: nobody asked for it. */
const INTERIM = /^HTTP\/1\.[01] 1(?!01)\d\d[ \r\n]/;

function withoutInterim(answer: string): string {
  let rest = answer;
  while (INTERIM.test(rest)) {
    const end = /\r?\n\r?\n/.exec(rest);
    if (end === null) break;
    rest = rest.slice(end.index + end[0].length);
  }
  return rest;
}

function judge(answer: string): string | undefined {
  const status = /^HTTP\/1\.[01] ([1-5]\d\d)[ \r\n]/.exec(answer)?.[1];
  if (status === undefined) return 'the answer is not HTTP';
  return status >= '200' && status < '400' ? undefined : `the answer was ${status}`;
}

/** What `attempt` found is told by `done`; only the first time counts. */
type Attempt = (socket: Socket, done: (problem: string | undefined) => void) => void;

/** The app listens on one of its addresses, nobody knows which: the first that is well decides. */
async function tryAll(
  network: Network,
  port: number,
  signal: AbortSignal,
  attempt: Attempt,
): Promise<string | undefined> {
  const attempts = network.addresses.map((address) => tryOne(network, address, port, signal, attempt));
  try {
    await Promise.any(
      attempts.map(async (one) => {
        const problem = await one;
        if (problem !== undefined) throw new Error(problem);
      }),
    );
    return undefined;
  } catch {
    const problems = await Promise.all(attempts);
    // An answer that is wrong says more than an address where nobody listens.
    const telling = problems.find((problem) => problem !== undefined && !problem.startsWith(REFUSED)) ?? problems[0];
    return `port ${port}: ${telling}`;
  }
}

const REFUSED = 'connection refused';

function tryOne(
  network: Network,
  address: string,
  port: number,
  signal: AbortSignal,
  attempt: Attempt,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let socket: Socket;
    const finish = (problem: string | undefined) => {
      signal.removeEventListener('abort', late);
      socket?.destroy();
      resolve(problem);
    };
    const late = () => finish('no answer in time');
    if (signal.aborted) return resolve('no answer in time');
    signal.addEventListener('abort', late);
    try {
      socket = network.connect(address, port);
      socket.on('error', (error: NodeJS.ErrnoException) => finish(reason(error)));
      attempt(socket, finish);
    } catch (error) {
      finish(reason(error as NodeJS.ErrnoException));
    }
  });
}

function reason(error: NodeJS.ErrnoException): string {
  // A host without IPv6 refuses ::1 in another way.
  if (['ECONNREFUSED', 'EADDRNOTAVAIL', 'ENETUNREACH', 'EAFNOSUPPORT'].includes(error.code ?? '')) return REFUSED;
  return error.code ?? error.message;
}
