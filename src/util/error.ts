import { escapeText } from './escape.ts';

/**
 * The one error class of metactl. The addon is handed this class and throws it too, so `instanceof` holds for failures
 * of native code. Only `src/cli` prints errors or turns them into exit statuses.
 */

/** What a MetactlError carries besides its message. Every field but `code` is optional. */
export interface ErrorFields {
  /** Machine-readable reason: an errno name (`EPERM`) for failed system calls, else `METACTL_…`. */
  code: string;
  /** The step that failed, in words an administrator knows: `mount /proc`, `lease address`. */
  step?: string;
  /** The path (or the object's name) the step was about. */
  path?: string;
  /** What to do about it: one sentence. Escaped as the message is. */
  hint?: string;
  /** The failed system call and its number, where there was one. */
  syscall?: string;
  errno?: number;
  cause?: unknown;
  /** Further facts for `--json`, and the single problems where one error stands for many. */
  details?: Readonly<Record<string, unknown>>;
  /** Exit status this error asks for (DESIGN §7): 1 unless told. */
  exitStatus?: number;
}

export class MetactlError extends Error {
  override readonly name = 'MetactlError';
  readonly code: string;
  readonly step: string | undefined;
  readonly path: string | undefined;
  readonly hint: string | undefined;
  readonly syscall: string | undefined;
  readonly errno: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly exitStatus: number;

  /**
   * @param message Quotes what developers and apps wrote. So all that could steer a terminal is escaped in it, line feeds too:
   * it may go into a record of one line. A message of several lines is given as an array of them.
   */
  constructor(message: string | readonly string[], fields: ErrorFields) {
    const text = typeof message === 'string' ? escapeText(message) : message.map(escapeText).join('\n');
    super(text, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = fields.code;
    this.step = fields.step;
    this.path = fields.path;
    this.hint = fields.hint === undefined ? undefined : escapeText(fields.hint);
    this.syscall = fields.syscall;
    this.errno = fields.errno;
    this.details = fields.details;
    this.exitStatus = fields.exitStatus ?? EXIT.error;
  }
}

/** An error's fields, for another that tells more. Those that it has not are not there. Pure. */
export function fieldsOf({ code, step, path, hint, syscall, errno, details, exitStatus }: MetactlError): ErrorFields {
  return {
    ...{ code, exitStatus },
    ...(step === undefined ? {} : { step }),
    ...(path === undefined ? {} : { path }),
    ...(hint === undefined ? {} : { hint }),
    ...(syscall === undefined ? {} : { syscall }),
    ...(errno === undefined ? {} : { errno }),
    ...(details === undefined ? {} : { details }),
  };
}

/** The lines of what an error says, escaped; of any other error than ours it is one. Pure. */
export function messageLines(error: unknown): readonly string[] {
  if (error instanceof MetactlError) return error.message.split('\n');
  return [escapeText(error instanceof Error ? error.message : String(error))];
}

/** What an error says, for a record of one line. Pure. */
export function messageLine(error: unknown): string {
  return messageLines(error).join('; ');
}

/** Exit statuses (DESIGN §7). `run`, `exec` and `shell` use `sandbox` for metactl's own failures. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notRunning: 3,
  noSuchApp: 4,
  notReady: 5,
  gaveUp: 69,
  needsRoot: 77,
  configuration: 78,
  sandbox: 125,
  notExecutable: 126,
  notFound: 127,
} as const;
