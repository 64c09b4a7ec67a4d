import { Command, CommanderError } from 'commander';
import { EXIT } from '../util/error.ts';
import { print, printError } from './print.ts';
import { reportedVerb, usageStatus } from './report.ts';
import { HIDDEN_VERBS, VERBS } from './verbs.ts';
import { VERSION } from './version.ts';

/** Commander's words for a mistake, in the shape of all our messages. Pure. */
export function usageText(said: string, verb: string | undefined): string {
  const [first = '', ...more] = said.trimEnd().split('\n');
  const near = more.map((line) => ` ${line}`).join('');
  const which = verb !== undefined && Object.hasOwn(VERBS, verb) ? ` ${verb}` : '';
  return `metactl: ${first.replace(/^error: /, '')}${near}\n  hint: metactl${which} --help tells how it is used\n`;
}

function newProgram(verb: string | undefined): Command {
  return new Command('metactl')
    .description('Runs applications as isolated, discoverable services on this server.')
    .version(VERSION, '-V, --version')
    .option('--root <dir>', 'move every file of metactl below DIR (also METACTL_ROOT)')
    .option('--json', 'print JSON')
    .option('--debug', 'print stack traces and causes')
    .configureOutput({
      writeOut: print,
      writeErr: printError,
      outputError: (said, write) => write(usageText(said, verb)),
    })
    .exitOverride();
}

/** Registers the one verb that was asked for, or all verbs by name where none was. */
async function registerVerbs(program: Command, verb: string | undefined): Promise<void> {
  const table = verb !== undefined && Object.hasOwn(HIDDEN_VERBS, verb) ? HIDDEN_VERBS : VERBS;
  const wanted = verb !== undefined && Object.hasOwn(table, verb) ? table[verb] : undefined;
  if (wanted !== undefined) {
    (await wanted.load()).register(program);
    for (const command of program.commands) {
      command.copyInheritedSettings(program);
      // Verbs that must start quickly can't ask commander for it: importing it takes 6 ms.
      for (const option of command.options) if (option.description === '') option.hideHelp();
    }
    return;
  }
  for (const [name, { summary }] of Object.entries(VERBS)) program.command(name).description(summary);
}

/**
 * Runs any command line with commander: help, versions, mistakes, and what `readQuickly` leaves. Usage errors are printed and set
 * `process.exitCode`.
 * @throws what the verb throws.
 */
export async function runFully(verb: string | undefined, argv: readonly string[]): Promise<void> {
  const program = newProgram(verb);
  try {
    if (verb === 'help') {
      const topic = argv[argv.indexOf('help') + 1];
      await registerVerbs(program, topic);
      (topic === undefined ? program : (program.commands.find((c) => c.name() === topic) ?? program)).outputHelp();
      return;
    }
    await registerVerbs(program, verb);
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.ok : usageStatus(reportedVerb(verb, argv));
  }
}
