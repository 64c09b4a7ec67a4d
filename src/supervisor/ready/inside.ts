import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { RunningDaemon } from '../../host/host.ts';
import { escapeText } from '../../util/escape.ts';

/** A running daemon as probes see it. */
export interface Inside {
  /** Begins to connect, in its network. */
  connect(address: string, port: number): Socket;
  /** Where it may listen. */
  readonly addresses: readonly string[];
  /** Runs a program as the daemon, in its sandbox; what it leaves is ended. @returns undefined where it ended with 0, else what was wrong. */
  run(argv: readonly string[], signal: AbortSignal): Promise<string | undefined>;
  close(): void;
}

/** Of what a program says, its last words are kept. */
const LAST_WORDS = 200;
/** Milliseconds that they may take to arrive once it has ended: they are in the pipe already. */
const LAST_WORDS_TIME = 100;

/** Everything that a probe needs of a running daemon. `close` lets go of it. */
export function insideOf(running: RunningDaemon): Inside {
  return {
    addresses: ['127.0.0.1', '::1', ...running.addresses],
    connect: (address, port) => running.connect(address, port),
    run: (argv, signal) => runInside(running, argv, signal),
    close: () => running.close(),
  };
}

async function runInside(
  running: RunningDaemon,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const nothing = openSync('/dev/null', 'r+');
  try {
    const io = { stdin: 'null', stdout: nothing, stderr: 'pipe' } as const;
    const sandbox = running.probe({ ...running.process, argv }, running.identity, io);
    const { stderr } = sandbox;
    const said = lastWords(stderr);
    const stop = () => sandbox.kill();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      await sandbox.started;
      const { code, signal: killedBy } = await sandbox.ended;
      if (code === 0) return undefined;
      // What it has left running may keep its stderr open for ever.
      const timer = setTimeout(() => stderr?.destroy(), LAST_WORDS_TIME);
      said.finally(() => clearTimeout(timer));
      const how = code === undefined ? `died of signal ${killedBy ?? 9}` : `ended with status ${code}`;
      const words = await said;
      return words === '' ? how : `${how}: ${words}`;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  } finally {
    closeSync(nothing);
  }
}

/** The last line of a stream, safe to print. */
async function lastWords(stream: Readable | undefined): Promise<string> {
  let text = '';
  try {
    for await (const chunk of (stream ?? []) as AsyncIterable<Buffer>) {
      text = (text + chunk.toString('latin1')).slice(-4 * LAST_WORDS);
    }
  } catch {
    // The pipe broke with the sandbox.
  }
  const line = Buffer.from(text, 'latin1').toString('utf8').trim().split('\n').at(-1) ?? '';
  return escapeText(line).slice(-LAST_WORDS);
}
