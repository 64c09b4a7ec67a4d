import { closeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { ReadStream } from 'node:tty';
import type { Terminal, TerminalSize } from '../host.ts';
import { addon } from './addon.ts';

/** A new pseudo-terminal; see Host.openTerminal. `ptmx`: the sandbox's own multiplexer, opened; it is taken over. */
export function openTerminal(size: TerminalSize, ptmx?: number): Terminal {
  const { master, slave } = addon().openPty(size.rows, size.columns, ptmx);
  let slaveOpen = true;
  let masterOpen = true;
  // tty.ReadStream is a socket that can be written to as well; as its end the kernel gives EIO once all slaves are closed.
  const stream: Duplex = new ReadStream(master);
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EIO') stream.push(null);
  });
  stream.once('close', () => {
    masterOpen = false;
  });
  const closeSlave = () => {
    if (slaveOpen) closeSync(slave);
    slaveOpen = false;
  };
  return {
    slave,
    stream,
    resize: ({ rows, columns }) => {
      if (masterOpen) addon().setWindowSize(master, rows, columns);
    },
    closeSlave,
    close: () => {
      closeSlave();
      stream.destroy();
    },
  };
}
