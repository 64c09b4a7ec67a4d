import { outputFailed } from './print.ts';
import { NotQuick, readQuickly } from './quick-command.ts';
import { report, reportedVerb } from './report.ts';
import { VERBS } from './verbs.ts';

const GLOBALS_WITH_VALUE = new Set(['--root']);

/** The first word of the command line that is not a global option or its value: the verb. Pure. */
export function verbOf(argv: readonly string[]): string | undefined {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '--') return argv[i + 1];
    if (!word.startsWith('-')) return word;
    if (GLOBALS_WITH_VALUE.has(word)) i++;
  }
  return undefined;
}

/**
 * Verbs that write as long as they live, by Node's streams. The others print their answer (`print`), have streams of their own
 * (`run`), or hand our own descriptors over: there, merely looking at process.stdout would make a pipe non-blocking for
 * everybody.
 */
const STREAMING = new Set(['supervise', 'events', 'logs', 'edit']);

/**
 * A reader of our output that goes away (`| head`), or a full disk. What runs daemons goes on without their output; other
 * verbs have nothing left to do.
 */
function survivePipes(verb: string | undefined): void {
  if (verb === undefined || !STREAMING.has(verb)) return;
  process.stdout.on('error', (error) => {
    if (verb !== 'supervise') outputFailed(error);
  });
  process.stderr.on('error', () => {
    if (verb !== 'supervise') outputFailed({ code: 'EPIPE' });
  });
}

/** Runs one command line. Sets `process.exitCode`; verbs set it too where they pass on a status. */
export async function main(argv: readonly string[]): Promise<void> {
  const verb = verbOf(argv);
  survivePipes(verb);
  try {
    if (!(await runQuickly(verb, argv))) await (await import('./full-command.ts')).runFully(verb, argv);
  } catch (error) {
    // What follows -- belongs to the command that exec runs.
    const dashes = argv.indexOf('--');
    const ours = dashes < 0 ? argv : argv.slice(0, dashes);
    process.exitCode = report(error, {
      verb: reportedVerb(verb, ours),
      json: ours.includes('--json'),
      debug: ours.includes('--debug'),
    });
  }
}

/** @returns whether the command line was an ordinary one. */
async function runQuickly(verb: string | undefined, argv: readonly string[]): Promise<boolean> {
  if (verb === undefined || !Object.hasOwn(VERBS, verb)) return false;
  const run = readQuickly((await VERBS[verb]!.load()).register, verb, argv);
  if (run === undefined) return false;
  try {
    await run();
    return true;
  } catch (error) {
    if (error instanceof NotQuick) return false;
    throw error;
  }
}
