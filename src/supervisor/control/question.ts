import { closeSync, readSync, writeSync } from 'node:fs';
import type { Dial } from '../../host/dial.ts';
import { connectError, ended, noAnswer, notOurs, type OneAnswer, readAnswer, SILENCE } from './answer.ts';
import { encode, LineReader, LONGEST_ANSWER, PROTOCOL_VERSION, type Request } from './protocol.ts';

/** Bytes: the status of 25 daemons is 10 kB. */
const PIECE = 64 * 1024;

/** A request that a supervisor works on by now. */
export interface Question {
  /** Waits for the answer. @throws MetactlError as `ask`. */
  answer(): OneAnswer;
  /** Lets go of it; call it at the end, whatever came. */
  close(): void;
}

/**
 * Asks as `ask` does, but in two steps, and in the second one this process does nothing else: for verbs that have nothing else to do.
 * Node's networking takes 4 ms to load, and the supervisor answers while the caller does what it can do without the answer.
 * @param silence milliseconds that the supervisor may say nothing. @throws MetactlError as `ask`
 */
export function sendQuestion(
  dial: Dial,
  path: string,
  request: Readonly<Record<string, unknown>>,
  silence = SILENCE,
): Question {
  const fd = dialTo(dial, path, silence);
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  try {
    writeAll(fd, Buffer.from(encode({ ...request, v: PROTOCOL_VERSION, id: 1 } as Request)));
  } catch (error) {
    close();
    throw connectError(path, error as NodeJS.ErrnoException);
  }
  return { answer: () => read(fd, path, silence, dial), close };
}

function dialTo(dial: Dial, path: string, silence: number): number {
  try {
    return dial(path, silence);
  } catch (error) {
    // Without a system call nothing was tried: the native part isn't there.
    throw (error as NodeJS.ErrnoException).syscall === undefined
      ? error
      : connectError(path, error as NodeJS.ErrnoException);
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += uninterrupted(() => writeSync(fd, bytes, done));
}

function read(fd: number, path: string, silence: number, dial: Dial): OneAnswer {
  const reader = new LineReader(LONGEST_ANSWER);
  for (;;) {
    const piece = Buffer.allocUnsafe(PIECE);
    const length = readPiece(fd, piece, path, () => noAnswer(path, silence, dial.peer(fd)));
    if (length === 0) throw ended(path);
    for (const line of reader.push(piece.subarray(0, length))) {
      const answer = readAnswer(path, line);
      if (answer !== undefined) return answer;
    }
    if (reader.overflowed) throw notOurs(path);
  }
}

function readPiece(fd: number, piece: Buffer, path: string, silent: () => Error): number {
  try {
    return uninterrupted(() => readSync(fd, piece));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') throw silent();
    throw connectError(path, error as NodeJS.ErrnoException);
  }
}

/** A stop (Ctrl-Z) and going on interrupts what has a time limit (signal(7)). */
function uninterrupted(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error;
    }
  }
}
