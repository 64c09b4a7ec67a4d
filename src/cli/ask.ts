import { createInterface } from 'node:readline/promises';

/** One letter of an answer; undefined at the end of input or Ctrl-C. */
export async function askOnTerminal(question: string): Promise<string | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ended = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)));
    const answer = await Promise.race([terminal.question(`${question} `), ended]);
    return answer?.trim().toLowerCase().slice(0, 1);
  } finally {
    terminal.close();
  }
}
