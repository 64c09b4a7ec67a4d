import { unitErrorStatus } from '../supervisor/service/exit-status.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { escapeLines, escapeText } from '../util/escape.ts';
import { jsonText, printError } from './print.ts';

/** Verbs that pass on the status of what they ran: there, metactl's own failures are 125 but for these (DESIGN §7). */
const PASSING_VERBS = new Set(['run', 'exec', 'shell']);
const TOLD_APART: readonly number[] = [EXIT.needsRoot, EXIT.configuration, EXIT.notExecutable, EXIT.notFound];

export interface ReportOptions {
  readonly verb: string | undefined;
  readonly json: boolean;
  readonly debug: boolean;
}

/** Exit status for an error of a verb. Pure. */
export function exitStatusOf(error: unknown, verb: string | undefined): number {
  if (verb === UNIT) return unitErrorStatus(error);
  const status = error instanceof MetactlError ? error.exitStatus : EXIT.error;
  if (verb !== undefined && PASSING_VERBS.has(verb)) return TOLD_APART.includes(status) ? status : EXIT.sandbox;
  // What a start failed with, told by a verb that passes on nothing.
  return status >= EXIT.sandbox ? EXIT.error : status;
}

/** What `run --unit` is called here: its statuses are for a service manager. */
const UNIT = 'run --unit';

/** The verb, by which the exit statuses are told. Pure. @param words of the command line, up to `--`. */
export function reportedVerb(verb: string | undefined, words: readonly string[]): string | undefined {
  return verb === 'run' && words.includes('--unit') ? UNIT : verb;
}

/** Exit status for a command line that can't be understood. Pure. */
export function usageStatus(verb: string | undefined): number {
  // As often as it is tried again, it is the same.
  if (verb === UNIT) return EXIT.configuration;
  return verb !== undefined && PASSING_VERBS.has(verb) ? EXIT.sandbox : EXIT.usage;
}

/** A failed system call of Node's own that no step of ours has put into words. */
function isSystemError(error: unknown): error is Error & { code: string; syscall: string; path?: string } {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return !(error instanceof MetactlError) && typeof code === 'string' && typeof syscall === 'string';
}

/** Of bin/metactl.cjs, which has no classes of ours. */
function isIncomplete(error: unknown): error is Error & { hint: string } {
  return error instanceof Error && (error as { code?: unknown }).code === 'METACTL_INCOMPLETE';
}

const SYSTEM_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left there: make some',
  EROFS: 'the file system is read-only',
  EACCES: 'run it as root',
  EPERM: 'run it as root',
  EMFILE: 'too many files are open: raise limit-nofile of the shell or service that runs metactl',
};

/**
 * The lines a person reads: what failed, where, why, what to do. Only what is ours begins a line, and nothing in them steers a
 * terminal: what an error is about has often been written by developers. Pure.
 */
export function errorText(error: unknown, debug: boolean): string {
  if (isSystemError(error)) {
    const at = error.path === undefined ? '' : ` ${escapeText(error.path)}`;
    const hint = SYSTEM_HINTS[error.code] ?? 'look at the permissions there, and at the kernel log';
    return `metactl: can't ${error.syscall}${at}: ${error.code}\n  hint: ${hint}\n${debug ? stackText(error) : ''}`;
  }
  if (isIncomplete(error)) return `metactl: ${escapeText(error.message)}\n  hint: ${escapeText(error.hint)}\n`;
  if (!(error instanceof MetactlError)) {
    const text = error instanceof Error ? error.message : String(error);
    const stack = debug && error instanceof Error ? stackText(error) : '';
    return `metactl: unexpected: ${escapeText(text)}\n  hint: this is a fault of metactl; run it again with --debug and report it\n${stack}`;
  }
  // Its line feeds are ours (MetactlError).
  const message = escapeLines(error.message);
  let text = `metactl: ${message}\n`;
  for (const name of ['step', 'path'] as const) {
    const field = escapeText(error[name] ?? '');
    if (field !== '' && !message.includes(field)) text += `  ${name}: ${field}\n`;
  }
  if (error.hint !== undefined) text += `  hint: ${escapeText(error.hint)}\n`;
  if (debug) {
    text += stackText(error);
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause) text += `caused by: ${stackText(cause)}`;
  }
  return text;
}

/** Behind the message, which stands at its beginning, the lines of a stack are Node's. */
function stackText({ stack = '', message }: Error): string {
  const end = stack.indexOf(message) + message.length;
  return `${escapeText(stack.slice(0, end))}${escapeLines(stack.slice(end))}\n`;
}

/** What `--json` prints on standard error for a failure. Pure. */
export function errorJson(error: unknown): string {
  const fields =
    error instanceof MetactlError
      ? {
          code: error.code,
          message: error.message,
          step: error.step,
          path: error.path,
          hint: error.hint,
          syscall: error.syscall,
          errno: error.errno,
          details: error.details,
        }
      : isIncomplete(error)
        ? { code: 'METACTL_INCOMPLETE', message: error.message, hint: error.hint }
        : { code: 'METACTL_UNEXPECTED', message: error instanceof Error ? error.message : String(error) };
  return jsonText({ error: fields });
}

/** Prints an error on standard error and returns the exit status it asks for. */
export function report(error: unknown, options: ReportOptions): number {
  printError(options.json ? errorJson(error) : errorText(error, options.debug));
  return exitStatusOf(error, options.verb);
}
