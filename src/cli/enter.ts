import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { StdioPlan } from '../host/host.ts';
import { describeEnding } from '../supervisor/ending-text.ts';
import type { Door, Entered } from '../supervisor/enter.ts';
import { copyOutput } from '../supervisor/output.ts';
import { onSignals } from '../supervisor/signals.ts';
import { exitStatusOf } from '../supervisor/state/restart-policy.ts';
import { connectTerminal } from '../supervisor/terminal.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { remark } from './print.ts';

/** `metactl exec app -- ls </` would give the app a way into the host's files. @throws MetactlError (2) */
export function refuseDirectories(): void {
  for (const fd of [0, 1, 2]) {
    if (!fstatSync(fd).isDirectory()) continue;
    throw new MetactlError('a directory of the host is open as standard input or output', {
      code: 'METACTL_USAGE',
      hint: 'redirect from and to files',
      exitStatus: EXIT.usage,
    });
  }
}

/**
 * Enters with this process's standard streams and waits for its end.
 * On a terminal it gets a new pseudo-terminal; else stdin, and whatever of stdout and stderr is no terminal, are handed over.
 * @returns the exit status to pass on.
 */
export async function enterThrough(door: Door): Promise<number> {
  // Looked at without process.stdin and process.stdout: making those sets O_NONBLOCK on pipes, and a program that is handed
  // such a pipe loses output or stops reading (EAGAIN).
  if (isatty(0) && isatty(1)) return runOnTerminal(door);
  const io: StdioPlan = {
    // Our own terminal never goes in (TIOCSTI).
    stdin: isatty(0) ? 'null' : 0,
    stdout: isatty(1) ? 'pipe' : 1,
    stderr: isatty(2) ? 'pipe' : 2,
  };
  const entered = await door.enter(io);
  const { sandbox } = entered;
  const copies = [
    sandbox.stdout && copyOutput(sandbox.stdout, process.stdout, { prefix: undefined, escape: true }),
    sandbox.stderr && copyOutput(sandbox.stderr, process.stderr, { prefix: undefined, escape: true }),
  ];
  return finish(entered, () => Promise.all(copies));
}

async function runOnTerminal(door: Door): Promise<number> {
  const { terminal, disconnect } = await connectTerminal(door, {
    input: process.stdin,
    output: process.stdout,
  });
  try {
    const { slave } = terminal;
    const entered = await door.enter({ stdin: slave, stdout: slave, stderr: isatty(2) ? slave : 2 });
    return await finish(entered, disconnect);
  } catch (error) {
    disconnect();
    door.close();
    throw error;
  }
}

async function finish({ sandbox, limits, release }: Entered, drain: () => unknown): Promise<number> {
  const stopListening = onSignals((signal) => sandbox.signal(signal));
  try {
    await sandbox.started;
    const ending = await sandbox.ended;
    await drain();
    // Of all that can end a command its own output tells, but not of this; one that got over it is well.
    if (ending.oomKilled && ending.code !== 0) remark(`the command ${describeEnding(ending, limits)}`);
    return exitStatusOf(ending);
  } finally {
    stopListening();
    await release();
  }
}
