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
  /** What to do about it: one sentence. */
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

  constructor(message: string, fields: ErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = fields.code;
    this.step = fields.step;
    this.path = fields.path;
    this.hint = fields.hint;
    this.syscall = fields.syscall;
    this.errno = fields.errno;
    this.details = fields.details;
    this.exitStatus = fields.exitStatus ?? EXIT.error;
  }
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
