import { Command } from 'commander';
import { SCRIPTS } from './completion-scripts.ts';
import { VERBS } from './verbs.ts';

/** What is only known on the machine: asked for when it is needed. */
export interface Sources {
  apps(): readonly string[];
  daemons(app: string): readonly string[];
  /** Keys of an app's configuration. */
  keys(): readonly string[];
}

const GLOBALS = ['--root', '--json', '--debug', '--help'];
const PROGRAM = [...GLOBALS, '--version'];

/**
 * What the last word of a command line can become. Only words that begin as it does are given.
 * @param words All words after `metactl`; the last one is being typed, '' at its beginning.
 */
export async function complete(words: readonly string[], sources: Sources): Promise<string[]> {
  const current = words.at(-1) ?? '';
  const candidates = await candidatesFor(words.slice(0, -1), current, sources);
  return [...new Set(candidates)].filter((word) => word.startsWith(current)).sort();
}

async function candidatesFor(before: readonly string[], current: string, sources: Sources): Promise<readonly string[]> {
  // What follows -- is a command of the app's, or else nothing that is known here.
  if (before.includes('--') || before.at(-1) === '--root') return [];
  const operands = before.filter((word, at) => !word.startsWith('-') && before[at - 1] !== '--root');
  const [verb, ...given] = operands;
  if (verb === undefined) return current.startsWith('-') ? PROGRAM : [...Object.keys(VERBS), 'help'];
  if (verb === 'help') return given.length === 0 ? Object.keys(VERBS) : [];
  if (!Object.hasOwn(VERBS, verb)) return [];
  const command = await commandOf(verb);
  if (current.startsWith('-')) return [...command.options.filter(isTold).map(({ long }) => long ?? ''), ...GLOBALS];
  const { registeredArguments: expected } = command;
  const argument = expected[given.length] ?? (expected.at(-1)?.variadic ? expected.at(-1) : undefined);
  switch (argument?.name()) {
    case 'app':
      return sources.apps();
    case 'daemon':
      return sources.daemons(given[0]!);
    case 'key':
      return sources.keys();
    case 'shell':
      return Object.keys(SCRIPTS);
    default:
      return [];
  }
}

async function commandOf(verb: string): Promise<Command> {
  const program = new Command('metactl');
  (await VERBS[verb]!.load()).register(program);
  return program.commands[0]!;
}

/** Options without a text are metactl's own. */
function isTold({ hidden, description }: { readonly hidden: boolean; readonly description: string }): boolean {
  return !hidden && description !== '';
}
