import { type Command, Option } from 'commander';
import { inspectApp, listApps } from '../config/load.ts';
import { APP_SECTIONS } from '../config/schema/index.ts';
import { platforms } from '../platform/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { type Paths, pathsFor } from '../util/paths.ts';
import { complete, type Sources } from './complete.ts';
import { SCRIPTS } from './completion-scripts.ts';
import { contextOf } from './context.ts';
import { print } from './print.ts';

/** `metactl completion SHELL`: what a shell needs to complete command lines. */
export function register(program: Command): void {
  program
    .command('completion')
    .description('Print the script that lets a shell complete verbs, options, apps and daemons.')
    .usage('bash|zsh|fish')
    .argument('[shell]', 'bash, zsh or fish')
    .argument('[words...]')
    .addOption(new Option('--words', 'complete the command line after --; the scripts call it').hideHelp())
    .addHelpText(
      'after',
      '\nIn a running shell: eval "$(metactl completion bash)". The first line of each script tells more.',
    )
    .action(async (shell: string | undefined, _words: string[], options: { words?: boolean }, command: Command) => {
      if (options.words !== true) {
        print(scriptFor(shell));
        return;
      }
      const words = process.argv.slice(process.argv.indexOf('--') + 1);
      const found = await complete(words, sourcesOf(pathsOf(words) ?? contextOf(command).paths));
      print(found.map((word) => `${word}\n`).join(''));
    });
}

/** @throws MetactlError (2) for a shell that it is not made for. Pure. */
export function scriptFor(shell: string | undefined): string {
  if (shell !== undefined && Object.hasOwn(SCRIPTS, shell)) return SCRIPTS[shell]!;
  throw new MetactlError(shell === undefined ? 'completion needs a shell' : `no completion is made for \`${shell}\``, {
    code: 'METACTL_USAGE',
    hint: `one of ${Object.keys(SCRIPTS).join(' ')}`,
    exitStatus: EXIT.usage,
  });
}

/** The root that the command line being typed names. */
function pathsOf(words: readonly string[]): Paths | undefined {
  const root = words[words.indexOf('--root') + 1];
  return words.includes('--root') && root?.startsWith('/') ? pathsFor(root) : undefined;
}

function sourcesOf(paths: Paths): Sources {
  return {
    apps: () => orNone(() => listApps(paths)),
    daemons: (app) => orNone(() => inspectApp(paths, app, platforms).config.daemons),
    keys: () =>
      [...new Set(APP_SECTIONS.flatMap(({ keys }) => keys.map(({ key }) => key)))].filter((key) => !key.includes('*')),
  };
}

/** What can't be read is not completed: an error would be printed into the line that is being typed. */
function orNone(read: () => readonly string[]): readonly string[] {
  try {
    return read();
  } catch {
    return [];
  }
}
