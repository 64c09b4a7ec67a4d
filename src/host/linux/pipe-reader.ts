import { closeSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { OutputReceiver } from '../host.ts';
import { addon, type Poll } from './addon.ts';

/** What a pipe holds at most; all receivers share it, since each is done with it when it returns. */
let shared: Buffer | undefined;
const PIPE_SIZE = 65_536;

/** Longer than a daemon needs to die and to be started again, ms. */
const LATER = 20;

/**
 * Hands what comes through a pipe to a receiver. A stream by its face only (`resume`, `close`, and `bytes` for those who
 * look on): a socket of Node's costs as much as a mount, at each start and again at each end, where a restart waits for it.
 * @param fd read end, non-blocking; the reader's from now on.
 */
export function readPipe(fd: number, receiver: OutputReceiver): Readable {
  PipeReader ??= makeClass();
  return new PipeReader(fd, receiver);
}

let PipeReader: ReturnType<typeof makeClass> | undefined;

/** Later than this file is loaded: to extend a class of Node's takes all its streams, 2 ms for which `run` would start later. */
function makeClass() {
  return class PipeReader extends Readable {
    readonly received = true;
    readonly #fd: number;
    readonly #receiver: OutputReceiver;
    #poll: Poll | undefined;
    #open = true;
    #ended = false;

    constructor(fd: number, receiver: OutputReceiver) {
      super();
      this.#fd = fd;
      this.#receiver = receiver;
      this.#watch();
    }

    override resume(): this {
      if (this.#open && !this.#ended) this.#watch();
      return this;
    }

    override pause(): this {
      this.#stop();
      return this;
    }

    override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
      this.#stop();
      this.#open = false;
      closeSync(this.#fd);
      done(error);
    }

    #watch(): void {
      this.#poll ??= addon().poll(this.#fd, () => this.#read());
    }

    #stop(): void {
      this.#poll?.close();
      this.#poll = undefined;
    }

    /** One piece at a time: the kernel calls again as long as there is more, and others get their turn. */
    #read(): void {
      shared ??= Buffer.allocUnsafeSlow(PIPE_SIZE);
      const count = readInto(this.#fd, shared);
      if (count === undefined) return;
      if (count === 0) {
        this.#end();
        return;
      }
      const bytes = shared.subarray(0, count);
      this.emit('bytes', bytes);
      if (!this.#receiver.receive(bytes)) this.#stop();
    }

    /** The rest can wait: where a daemon has died, its restart is what comes next. */
    #end(): void {
      this.#stop();
      this.#ended = true;
      this.#receiver.end();
      setTimeout(() => this.destroy(), LATER);
    }
  };
}

/** @returns 0 at the end, also where the pipe broke; undefined where nothing is there yet. */
function readInto(fd: number, buffer: Buffer): number | undefined {
  try {
    return readSync(fd, buffer, 0, buffer.length, null);
  } catch (error) {
    return (error as { code?: string }).code === 'EAGAIN' ? undefined : 0;
  }
}
