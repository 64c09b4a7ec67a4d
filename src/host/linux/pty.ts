import { closeSync, readSync, writeSync } from 'node:fs';
import type { Terminal, TerminalSize } from '../terminal.ts';
import { addon, type Poll } from './addon.ts';

/** A read gives at most 4095 bytes of it (N_TTY_BUF_SIZE, drivers/tty/n_tty.c). */
const PIECE = 4096;
/**
 * More than the kernel holds on its way from one end to the other: 8 KiB in buffers (pty_common_install, drivers/tty/pty.c),
 * 4 KiB to be read. What comes after that was written later.
 */
const ON_ITS_WAY = 65_536;

/** A new pseudo-terminal; see Host.openTerminal. `ptmx`: the sandbox's own multiplexer, opened; it is taken over. */
export function openTerminal(size: TerminalSize, ptmx?: number): Terminal {
  return new PseudoTerminal(addon().openPty(size.rows, size.columns, ptmx));
}

/**
 * Reads and writes by itself: a tty.ReadStream takes a read that fills less than its buffer for the last one once the other
 * end is closed (uv__stream_io of libuv), but of a terminal each read is short, and up to 12 KiB would be lost.
 */
class PseudoTerminal implements Terminal {
  readonly slave: number;
  readonly #master: number;
  readonly #poll: Poll;
  readonly #piece = Buffer.allocUnsafeSlow(PIECE);
  #receive: ((bytes: Buffer) => void) | undefined;
  /** Keys that were not taken yet, and who waits for that. */
  #keys: Buffer = Buffer.alloc(0);
  #typed: (() => void)[] = [];
  #open = true;

  constructor({ master, slave }: { readonly master: number; readonly slave: number }) {
    this.#master = master;
    this.slave = slave;
    this.#poll = addon().poll(master, () => this.#onReady());
  }

  read(receive: (bytes: Buffer) => void): void {
    this.#receive = receive;
  }

  write(keys: Buffer | string): Promise<void> | undefined {
    if (!this.#open) return undefined;
    this.#keys = Buffer.concat([this.#keys, Buffer.from(keys)]);
    this.#type();
    if (this.#keys.length === 0) return undefined;
    this.#poll.setWriting(true);
    return new Promise((resolve) => this.#typed.push(resolve));
  }

  resize({ rows, columns }: TerminalSize): void {
    if (this.#open) addon().setWindowSize(this.#master, rows, columns);
  }

  passThrough(caller: number): () => void {
    const before = addon().makeRaw(caller);
    return () => {
      try {
        addon().restoreTerminal(caller, before);
      } catch (error) {
        // It has hung up.
        if ((error as { code?: string }).code !== 'EIO') throw error;
      }
    };
  }

  close(): void {
    if (!this.#open) return;
    for (let size = 0, more = 1; more > 0 && size < ON_ITS_WAY; size += more) more = this.#pass();
    this.#open = false;
    this.#poll.close();
    this.#endTyping();
    closeSync(this.slave);
    closeSync(this.#master);
  }

  #onReady(): void {
    if (!this.#open) return;
    this.#pass();
    if (this.#typed.length === 0) return;
    this.#type();
    if (this.#keys.length > 0) return;
    this.#poll.setWriting(false);
    this.#endTyping();
  }

  /** Hands over one piece. @returns its size; 0 where nothing is there. */
  #pass(): number {
    const size = orNothing(() => readSync(this.#master, this.#piece));
    if (size > 0) this.#receive?.(Buffer.from(this.#piece.subarray(0, size)));
    return size;
  }

  #type(): void {
    this.#keys = this.#keys.subarray(orNothing(() => writeSync(this.#master, this.#keys)));
  }

  #endTyping(): void {
    for (const resolve of this.#typed.splice(0)) resolve();
  }
}

/** Nothing is there, or nobody takes it, for now. */
function orNothing(call: () => number): number {
  try {
    return call();
  } catch (error) {
    if ((error as { code?: string }).code === 'EAGAIN') return 0;
    throw error;
  }
}
