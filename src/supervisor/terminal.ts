import type { Terminal } from '../host/terminal.ts';
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
): Promise<{ terminal: Terminal; disconnect: () => void }> {
  const size = () => ({ rows: output.rows || 24, columns: output.columns || 80 });
  const terminal = await door.openTerminal(size());
  const onResize = () => terminal.resize(size());
  const onInput = (keys: Buffer) => {
    const taken = terminal.write(keys);
    if (taken === undefined) return;
    input.pause();
    void taken.then(() => connected && input.resume());
  };
  let connected = true;
  const restore = terminal.passThrough(0);
  input.on('data', onInput);
  input.resume();
  output.on('resize', onResize);
  // Node writes to a terminal at once, and waits where that is slow.
  terminal.read((bytes) => output.write(bytes));
  const disconnect = () => {
    if (!connected) return;
    connected = false;
    // What was written last is still handed over. A background job that keeps the terminal does not hold us.
    terminal.close();
    output.off('resize', onResize);
    input.off('data', onInput);
    restore();
    input.pause();
  };
  return { terminal, disconnect };
}
