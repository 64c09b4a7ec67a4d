import type { Peer } from '../../host/dial.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { type Answer, errorOf, PROTOCOL_VERSION } from './protocol.ts';

/** What a supervisor answers at last: `next` is what the process that takes its place wants to be asked. */
export type OneAnswer = { readonly result: unknown } | { readonly next: Readonly<Record<string, unknown>> };

/** Milliseconds that a supervisor may say nothing; it says every two seconds that it lives. */
export const SILENCE = 15_000;

/**
 * Reads one line of a supervisor.
 * @returns undefined where it is not the last one: an event, or a sign of life. @throws MetactlError of the supervisor;
 * METACTL_PROTOCOL.
 */
export function readAnswer(path: string, line: string, onEvent?: (event: unknown) => void): OneAnswer | undefined {
  const answer = parse(line);
  if (answer === undefined || answer.v !== PROTOCOL_VERSION) throw notOurs(path);
  if (answer.error !== undefined) throw errorOf(answer.error);
  if (answer.next !== undefined) return { next: answer.next };
  if ('result' in answer) return { result: answer.result };
  if ('event' in answer) onEvent?.(answer.event);
  return undefined;
}

function parse(line: string): Answer | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** True where nobody listens at the other end of a control socket. Pure. */
export function isAbsent(error: unknown): boolean {
  return error instanceof MetactlError && error.code === 'METACTL_NO_SUPERVISOR';
}

export function connectError(path: string, error: NodeJS.ErrnoException): MetactlError {
  const { code = 'EIO' } = error;
  // Nothing can be bound to a path that is too long.
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENAMETOOLONG') return noSupervisor(path);
  if (code === 'EACCES' || code === 'EPERM') {
    return new MetactlError(`only root may talk to the supervisor`, {
      code: 'METACTL_NEEDS_ROOT',
      path,
      hint: 'run it as root',
      exitStatus: EXIT.needsRoot,
    });
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') return ended(path);
  if (code === 'EAGAIN') return noAnswer(path, SILENCE);
  return new MetactlError(`can't talk to the supervisor: ${code}`, {
    code,
    step: 'connect to the supervisor',
    path,
    hint: 'look at the socket',
    cause: error,
  });
}

export function noSupervisor(path: string): MetactlError {
  return new MetactlError('no supervisor of metactl is running', {
    code: 'METACTL_NO_SUPERVISOR',
    path,
    hint: 'metactl start APP starts one',
    exitStatus: EXIT.notRunning,
  });
}

export function ended(path: string): MetactlError {
  return new MetactlError('the supervisor ended before it answered', {
    code: 'METACTL_SUPERVISOR_ENDED',
    path,
    hint: 'what it ran has ended with it; start it again, and look at /var/log/metactl/supervisor.log',
  });
}

export function noAnswer(path: string, silence: number, peer?: Peer): MetactlError {
  return new MetactlError(`the supervisor has said nothing for ${silence / 1000} s`, {
    code: 'METACTL_NO_ANSWER',
    path,
    hint: silentHint(peer),
  });
}

/** What to do about a supervisor that does not answer: no verb of ours helps, since each would ask it. Pure. */
export function silentHint(peer: Peer | undefined): string {
  if (peer === undefined) return 'the machine may be too busy; /var/log/metactl/supervisor.log tells what it did last';
  const { pid, isStopped } = peer;
  if (isStopped) return `it (pid ${pid}) is stopped by a signal or a debugger: \`kill -CONT ${pid}\` lets it go on`;
  return (
    `it is pid ${pid}: \`top -H -p ${pid}\` and \`cat /proc/${pid}/stack\` show what it does; \`kill -9 ${pid}\` ends it with all that it runs, ` +
    'then `metactl start` starts another'
  );
}

export function notOurs(path: string): MetactlError {
  return new MetactlError('the supervisor answered in a way that this metactl does not understand', {
    code: 'METACTL_PROTOCOL',
    path,
    hint: 'it may be of another version: restart it',
  });
}
