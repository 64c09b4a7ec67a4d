import { spawn } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { isAbsent } from '../control/answer.ts';
import { ask } from '../control/client.ts';
import { type ErrorRecord, errorOf, LineReader } from '../control/protocol.ts';
import { controlSocket } from '../control/sockets.ts';

/** What the supervisor itself has to say. Pure. */
export function supervisorLog(paths: Paths): string {
  return join(paths.log, 'supervisor.log');
}

/** Descriptor on which a supervisor that is being started tells whether it listens. */
export const READY_FD = 3;
/** Milliseconds that it may take: it loads all of metactl first. */
const PATIENCE = 30_000;
const PAUSE = 20;

/**
 * Sees to it that a supervisor of this node runs in the background: its own session, no terminal, working directory `/`.
 * @param command program and arguments that start one (`metactl supervise`), which tells on READY_FD how that went.
 * @returns false where one was running. @throws MetactlError why it did not start.
 */
export async function ensureSupervisor(paths: Paths, command: readonly string[]): Promise<boolean> {
  try {
    await ask(controlSocket(paths), 'hello');
    return false;
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  try {
    await launch(paths, command);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'METACTL_SUPERVISOR_RUNNING') throw error;
    await untilAnswered(paths, error as Error);
    return false;
  }
}

/** Waits for one that somebody else has started. @throws MetactlError where it never listens. */
export function untilListens(paths: Paths): Promise<void> {
  return untilAnswered(paths, notStarted(paths));
}

/** Another one was faster, and may not listen yet. @throws `error` where it never does. */
async function untilAnswered(paths: Paths, error: Error): Promise<void> {
  for (const end = performance.now() + PATIENCE; ; await sleep(PAUSE)) {
    try {
      await ask(controlSocket(paths), 'hello');
      return;
    } catch (failure) {
      if (!isAbsent(failure)) throw failure;
      if (performance.now() > end) throw error;
    }
  }
}

async function launch(paths: Paths, [program = '', ...words]: readonly string[]): Promise<void> {
  const log = openLog(paths);
  try {
    const child = spawn(program, words, {
      cwd: '/',
      detached: true,
      env: environment(),
      stdio: ['ignore', log, log, 'pipe'],
    });
    const told = new Promise<string>((resolve, reject) => {
      child.on('error', reject);
      const reader = new LineReader(1 << 20);
      const pipe = child.stdio[READY_FD]!;
      pipe.on('data', (chunk: Buffer) => resolve(reader.push(chunk)[0] ?? ''));
      pipe.on('close', () => resolve(''));
      setTimeout(() => resolve(''), PATIENCE).unref();
    });
    const line = await told;
    child.stdio[READY_FD]?.destroy();
    child.unref();
    const answer = line === '' ? undefined : (JSON.parse(line) as { readonly error?: ErrorRecord });
    if (answer === undefined) throw notStarted(paths);
    if (answer.error !== undefined) throw errorOf(answer.error);
  } finally {
    closeSync(log);
  }
}

function openLog(paths: Paths): number {
  const path = supervisorLog(paths);
  try {
    mkdirSync(paths.log, { recursive: true, mode: 0o755 });
    return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o640);
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw new MetactlError(`can't open ${path}: ${code}`, {
      code,
      step: 'start the supervisor',
      path,
      hint: 'look at the permissions and the space left there',
      cause: error,
    });
  }
}

/** Not the caller's: what a shell or sudo has set must not live on in every daemon. */
function environment(): Record<string, string> {
  const { LANG, TZ } = process.env;
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    // glibc's: a heap of its own for each of Node's threads would cost megabytes (mallopt(3)).
    MALLOC_ARENA_MAX: '1',
    ...(LANG === undefined ? {} : { LANG }),
    ...(TZ === undefined ? {} : { TZ }),
  };
}

function notStarted(paths: Paths): MetactlError {
  return new MetactlError('the supervisor did not start', {
    code: 'METACTL_NO_SUPERVISOR',
    step: 'start the supervisor',
    path: supervisorLog(paths),
    hint: 'its log tells why',
  });
}
