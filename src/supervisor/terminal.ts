import type { Terminal } from '../host/host.ts';
import type { Door } from './enter.ts';

/** The caller's terminal: standard input and output of this process. */
export interface CallerTerminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

/**
 * Opens a new pseudo-terminal of the caller's size and connects the two: keys go in raw, output comes out as it is (it is
 * the user's own session, as with ssh), window changes are handed on.
 * @returns the terminal and a function that ends the connection and gives the caller's terminal back as it was.
 */
export async function connectTerminal(
  door: Door,
  { input, output }: CallerTerminal,
): Promise<{ terminal: Terminal; disconnect: () => Promise<void> }> {
  const size = () => ({ rows: output.rows || 24, columns: output.columns || 80 });
  const terminal = await door.openTerminal(size());
  const onResize = () => terminal.resize(size());
  const onInput = (data: Buffer) => terminal.stream.write(data);
  const wasRaw = input.isRaw === true;
  input.setRawMode(true);
  input.on('data', onInput);
  input.resume();
  output.on('resize', onResize);
  terminal.stream.on('data', (data: Buffer) => {
    if (!output.write(data)) {
      terminal.stream.pause();
      output.once('drain', () => terminal.stream.resume());
    }
  });
  // EIO is how the kernel says that the last process has closed the other end.
  const ended = new Promise<void>((resolve) => {
    terminal.stream.once('close', () => resolve());
    terminal.stream.once('end', () => resolve());
    terminal.stream.once('error', () => resolve());
  });
  const disconnect = async () => {
    // What the shell wrote last may still be under way; a background job that keeps the terminal must not hold us.
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, LAST_OUTPUT))]);
    output.off('resize', onResize);
    input.off('data', onInput);
    input.setRawMode(wasRaw);
    input.pause();
    terminal.close();
  };
  return { terminal, disconnect };
}

/** Milliseconds to wait for output after the shell has ended (lxc #4507: return when the shell exits). */
const LAST_OUTPUT = 200;
