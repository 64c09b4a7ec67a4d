import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { inspectApp } from '../config/load.ts';
import { requireAppName } from '../config/names.ts';
import { host as hostOfThisMachine } from '../host/index.ts';
import { platforms } from '../platform/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { contextOf } from './context.ts';
import { remark } from './print.ts';

/** `metactl tcpdump APP [ARGUMENT…]`: this process becomes the host's tcpdump, in the app's network. */
export function register(program: Command): void {
  // What comes after the app's name is tcpdump's, also where metactl has an option of that name.
  program.enablePositionalOptions();
  program
    .command('tcpdump')
    .description("Run the host's tcpdump in the network of a running app, on its link veth0 unless -i says otherwise.")
    .usage('APP [ARGUMENT…]')
    .argument('<app>', 'the app')
    .argument('[arguments...]', 'for tcpdump, as they are: options and a filter')
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText(
      'after',
      '\nExit status: that of tcpdump; 3 the app is not running, 4 no such app, 77 needs root, 127 tcpdump is not installed.',
    )
    .action(async (app: string, words: string[], _options: object, command: Command) => {
      const { paths } = contextOf(command);
      const host = await hostOfThisMachine();
      requireAppName(app);
      host.requireRoot();
      // It is looked at as it was started: a configuration that was broken since must not be in the way.
      const running = await host.findRunning(paths, app);
      if (running === undefined) {
        // That there is such an app at all.
        inspectApp(paths, app, platforms);
        throw new MetactlError(`${app} is not running`, {
          code: 'METACTL_NOT_RUNNING',
          hint: `start it with \`metactl run ${app}\``,
          exitStatus: EXIT.notRunning,
        });
      }
      const file = findTcpdump();
      // Not by process.stderr: its making would set O_NONBLOCK on a pipe that tcpdump is about to get.
      if (running.address === undefined) {
        remark(`${app} has no link of its own: -i any shows every link that it sees`);
      }
      running.becomeInNetwork(file, tcpdumpArguments(words, running.address !== undefined), process.env);
    });
}

/** Fixed: what PATH says must not choose what root runs. */
const DIRECTORIES = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/sbin', '/usr/local/bin'];

/** @throws MetactlError METACTL_NO_TCPDUMP (127) */
export function findTcpdump(directories: readonly string[] = DIRECTORIES): string {
  const found = directories.map((directory) => join(directory, 'tcpdump')).find(isExecutable);
  if (found !== undefined) return found;
  throw new MetactlError('tcpdump is not installed', {
    code: 'METACTL_NO_TCPDUMP',
    hint: 'install it: apt-get install tcpdump, or dnf install tcpdump',
    exitStatus: EXIT.notFound,
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Options that say where packets come from, or that none are wanted. */
const SOURCE = /^(?:--interface(?:=.*)?|--list-interfaces|--list-remote-interfaces(?:=.*)?|--version|--help)$/;
/** Short options of tcpdump that take a value; the rest of the word, or the next word. */
const WITH_VALUE = 'BCEFGMQTVWZcijmrswyz';

/** The whole command line: a link unless the caller names one, a file, or asks for something else. Pure. */
export function tcpdumpArguments(words: readonly string[], ownLink: boolean): string[] {
  return ['tcpdump', ...(namesSource(words) ? [] : ['-i', ownLink ? 'veth0' : 'any']), ...words];
}

function namesSource(words: readonly string[]): boolean {
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') return false;
    if (SOURCE.test(word)) return true;
    if (!/^-[^-]/.test(word)) continue;
    for (let letter = 1; letter < word.length; letter++) {
      if ('iDrVh'.includes(word[letter]!)) return true;
      if (!WITH_VALUE.includes(word[letter]!)) continue;
      // Its value is the rest of this word, or the next one.
      if (letter === word.length - 1) at++;
      break;
    }
  }
  return false;
}
