import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Where a verb with much to show writes. */
export interface Output {
  write(data: string | Buffer): void;
  /** Resolves when more may be written; false: nobody reads any more. */
  flush(): Promise<boolean>;
  /** Resolves when all has been read, or nobody reads any more. */
  end(): Promise<void>;
}

export function standardOutput(): Output {
  return outputTo(process.stdout, async () => {});
}

/**
 * `$PAGER`, or less with the options that systemd's tools give it: colours, ending at once where all fits on the screen.
 * LESSSECURE: who reads a log as root must not start programs by a slip of the finger.
 * Without a pager the terminal gets all of it.
 */
export function openPager(env: Readonly<Record<string, string | undefined>>): Output {
  const words = pagerWords(env);
  if (words === undefined) return standardOutput();
  const [file, ...args] = words;
  const child = spawn(file!, args, {
    stdio: ['pipe', 'inherit', 'inherit'],
    env: { ...env, LESS: env.LESS ?? 'FRSXMK', LESSSECURE: '1', LESSCHARSET: env.LESSCHARSET ?? 'utf-8' },
  });
  let target: Writable = child.stdin;
  const started = new Promise<boolean>((resolve) => {
    child.once('spawn', () => resolve(true));
    child.once('error', () => resolve(false));
  });
  const ended = once(child, 'close').catch(() => {});
  // Ctrl-C is the pager's: it stops reading, or searching.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  child.stdin.on('error', ignore);
  const choose = async () => {
    if (!(await started)) target = process.stdout;
  };
  return outputTo(
    () => target,
    async () => {
      await choose();
      if (target !== process.stdout) {
        child.stdin.end();
        await ended;
      }
      process.off('SIGINT', ignore);
    },
    choose,
  );
}

/**
 * The words of `$PAGER`, which no shell reads; less where it is not set, and undefined for none: less only asks questions
 * on a terminal that can't move its cursor. Pure.
 */
export function pagerWords({ PAGER, TERM }: Readonly<Record<string, string | undefined>>): string[] | undefined {
  if (PAGER === undefined) return TERM === undefined || TERM === 'dumb' ? undefined : ['less'];
  const words = PAGER.split(/\s+/).filter((word) => word !== '');
  return words.length === 0 || words[0] === 'cat' ? undefined : words;
}

function outputTo(to: Writable | (() => Writable), end: () => Promise<void>, ready = async () => {}): Output {
  let pieces: Buffer[] = [];
  let text = '';
  const target = () => (typeof to === 'function' ? to() : to);
  const send = async (): Promise<boolean> => {
    await ready();
    if (text !== '') pieces.push(Buffer.from(text));
    const data = Buffer.concat(pieces);
    pieces = [];
    text = '';
    const stream = target();
    if (data.length === 0 || stream.destroyed || stream.write(data)) return !stream.destroyed;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const event of ['drain', 'close', 'error']) stream.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'close', 'error']) stream.once(event, done);
    });
    return !stream.destroyed;
  };
  return {
    write(data) {
      if (typeof data === 'string') text += data;
      else {
        if (text !== '') pieces.push(Buffer.from(text));
        text = '';
        pieces.push(data);
      }
    },
    flush: send,
    async end() {
      await send();
      await end();
    },
  };
}
