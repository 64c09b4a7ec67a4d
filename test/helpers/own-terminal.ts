import { spawn } from 'node:child_process';
import { closeSync, readSync, writeSync } from 'node:fs';
import { addon } from '../../src/host/linux/addon.ts';

export interface Keys {
  /** Typed once something that matches is shown behind what the keys before waited for. */
  readonly after: RegExp;
  readonly text: string;
}

export interface TerminalRun {
  readonly env: Readonly<Record<string, string>>;
  readonly keys?: readonly Keys[];
  /** SIGKILL after so many ms; 30,000 unless told. */
  readonly timeout?: number;
}

export interface TerminalOutcome {
  readonly shown: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Runs a program on a new terminal, which it does not control, and reads all that it shows: by plain `read`, until the kernel
 * says that there is no more (EIO), so that what is missing was lost by the program.
 */
export async function onOwnTerminal(argv: readonly string[], run: TerminalRun): Promise<TerminalOutcome> {
  const { master, slave } = addon().openPty(24, 80);
  const waiting = [...(run.keys ?? [])];
  const piece = Buffer.alloc(65_536);
  let shown = '';
  let seen = 0;
  let typing = Buffer.alloc(0);
  let open = true;
  let finished: () => void;
  const all = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const poll = addon().poll(master, () => {
    if (!open) return;
    const size = attempt(() => readSync(master, piece));
    if (size === 'end') {
      open = false;
      poll.close();
      finished();
      return;
    }
    shown += piece.toString('latin1', 0, size);
    for (let match: RegExpExecArray | null; waiting.length > 0; seen += match.index + match[0].length) {
      match = waiting[0]!.after.exec(shown.slice(seen));
      if (match === null) break;
      typing = Buffer.concat([typing, Buffer.from(waiting.shift()!.text)]);
    }
    if (typing.length > 0) typing = typing.subarray(Number(attempt(() => writeSync(master, typing))));
    poll.setWriting(typing.length > 0);
  });
  const [file, ...words] = argv;
  const child = spawn(file!, words, { env: { ...run.env }, stdio: [slave, slave, slave] });
  closeSync(slave);
  const timer = setTimeout(() => child.kill('SIGKILL'), run.timeout ?? 30_000);
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (...how) => resolve(how));
  });
  clearTimeout(timer);
  await all;
  closeSync(master);
  return { shown, status, signal };
}

/** @returns 0 where that can't be for now. */
function attempt(call: () => number): number | 'end' {
  try {
    return call();
  } catch (error) {
    return (error as { code?: string }).code === 'EAGAIN' ? 0 : 'end';
  }
}
