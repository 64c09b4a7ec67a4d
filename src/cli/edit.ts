import type { Command } from 'commander';
import { escapeText } from '../util/escape.ts';
import { askOnTerminal } from './ask.ts';
import { contextOf } from './context.ts';
import { editApp, editorWords } from './edit-file.ts';
import { jsonText, print, printError } from './print.ts';

/** `metactl edit APP`: an editor on the node file, or with --site on the site file. */
export function register(program: Command): void {
  program
    .command('edit')
    .description("Edit an app's node file with $VISUAL, $EDITOR or vi. It is checked before it is installed.")
    .argument('<app>', 'the app')
    .option('--site', 'edit the site file')
    .addHelpText(
      'after',
      '\nExit status: 0 installed or unchanged, 1 nothing was installed, 78 the text was broken and given up.',
    )
    .action(async (app: string, options: { site?: boolean }, command: Command) => {
      const context = contextOf(command);
      const result = await editApp({
        paths: context.paths,
        app,
        layer: options.site === true ? 'site' : 'node',
        editor: editorWords(process.env),
        ask: process.stdin.isTTY ? askOnTerminal : undefined,
        tell: (line) => printError(`${escapeText(line)}\n`),
      });
      print(
        context.json ? jsonText({ app, ...result }) : `${result.file} ${result.changed ? 'installed' : 'unchanged'}\n`,
      );
    });
}
