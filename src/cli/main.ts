import { Command, CommanderError } from 'commander';
import { EXIT } from '../util/error.ts';
import { report } from './report.ts';
import { HIDDEN_VERBS, VERBS } from './verbs.ts';
import { VERSION } from './version.ts';

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

function newProgram(): Command {
  return new Command('metactl')
    .description('Runs applications as isolated, discoverable services on this server.')
    .version(VERSION, '-V, --version')
    .option('--root <dir>', 'move every file of metactl below DIR (also METACTL_ROOT)')
    .option('--json', 'print JSON')
    .option('--debug', 'print stack traces and causes')
    .showHelpAfterError('(see metactl --help)')
    .exitOverride();
}

/** Registers the one verb that was asked for, or all verbs by name where none was. */
async function registerVerbs(program: Command, verb: string | undefined): Promise<void> {
  const table = verb !== undefined && Object.hasOwn(HIDDEN_VERBS, verb) ? HIDDEN_VERBS : VERBS;
  const wanted = verb !== undefined && Object.hasOwn(table, verb) ? table[verb] : undefined;
  if (wanted !== undefined) {
    (await wanted.load()).register(program);
    for (const command of program.commands) command.copyInheritedSettings(program);
    return;
  }
  for (const [name, { summary }] of Object.entries(VERBS)) program.command(name).description(summary);
}

/**
 * A reader of our output that goes away (`| head`), or a full disk. What runs daemons goes on without their output; other
 * verbs have nothing left to do and end quietly, or say what is wrong where somebody still listens.
 */
function survivePipes(verb: string | undefined): void {
  // These hand our own descriptors over: merely looking at process.stdout would make a pipe non-blocking for everybody.
  if (verb === 'exec' || verb === 'shell' || verb === 'tcpdump') return;
  const runs = verb === 'run' || verb === 'supervise';
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (runs) return;
      if (stream === process.stdout && error.code !== 'EPIPE') {
        process.stderr.write(`metactl: can't write the output: ${error.code}\n`);
      }
      process.exit(EXIT.error);
    });
  }
}

/** Runs one command line. Sets `process.exitCode`; verbs set it too where they pass on a status. */
export async function main(argv: readonly string[]): Promise<void> {
  const verb = verbOf(argv);
  survivePipes(verb);
  const program = newProgram();
  try {
    if (verb === 'help') {
      await registerVerbs(program, argv[argv.indexOf('help') + 1]);
      const topic = argv[argv.indexOf('help') + 1];
      (topic === undefined ? program : (program.commands.find((c) => c.name() === topic) ?? program)).outputHelp();
      return;
    }
    await registerVerbs(program, verb);
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    // What follows -- belongs to the command that exec runs.
    const dashes = argv.indexOf('--');
    const ours = dashes < 0 ? argv : argv.slice(0, dashes);
    process.exitCode = report(error, { verb, json: ours.includes('--json'), debug: ours.includes('--debug') });
  }
}
