import type { Command } from 'commander';

/** Thrown by a verb that has to tell how it is used: commander knows. */
export class NotQuick extends Error {}

interface Options {
  [name: string]: string | boolean | undefined;
}

type Action = (...values: unknown[]) => unknown;

interface OptionSpec {
  /** Without the dashes: `no-wait`. */
  readonly name: string;
  readonly short: string | undefined;
  readonly type: 'string' | 'boolean';
  /** As the verb knows it: `noWait` is `wait`. */
  readonly key: string;
  readonly value: string | boolean | undefined;
}

const GLOBALS: readonly OptionSpec[] = [
  { name: 'root', short: undefined, type: 'string', key: 'root', value: undefined },
  { name: 'json', short: undefined, type: 'boolean', key: 'json', value: undefined },
  { name: 'debug', short: undefined, type: 'boolean', key: 'debug', value: undefined },
];

/**
 * Understands an ordinary command line (`ip myapp --json`) from what a verb registers: commander takes 6 ms
 * to load and run, which is more than `metactl ip` may add to the start of Node. Help, every mistake and whatever is not
 * ordinary is commander's: the result is undefined then, and nothing has been done. Pure.
 * @returns what to run; it throws NotQuick if commander shall do it all the same.
 */
export function readQuickly(
  register: (program: Command) => void,
  verb: string,
  argv: readonly string[],
): (() => unknown) | undefined {
  if (argv.includes('--')) return undefined;
  const recorder = new Recorder();
  register(recorder.asProgram());
  const { name, action, unknown } = recorder;
  if (unknown || name !== verb || action === undefined) return undefined;
  const specs = [...recorder.options, ...GLOBALS];
  const parsed = parse(specs, argv);
  if (parsed === undefined || parsed.positionals[0] !== verb) return undefined;
  const words = parsed.positionals.slice(1);
  const values = assign(recorder.parameters, words);
  if (values === undefined) return undefined;
  const options = optionsOf(recorder.options, parsed.values);
  const command = {
    args: words,
    optsWithGlobals: () => ({ ...optionsOf(GLOBALS, parsed.values), ...options }),
    error: () => {
      throw new NotQuick();
    },
  };
  return () => action(...values, options, command);
}

/** Stands for commander's Command while a verb registers itself. */
class Recorder {
  readonly parameters: string[] = [];
  readonly options: OptionSpec[] = [];
  name = '';
  action: Action | undefined;
  /** The verb uses more of commander than is known here. */
  unknown = false;

  asProgram(): Command {
    const known: Record<string, (...words: unknown[]) => void> = {
      command: (name) => {
        this.name = String(name);
      },
      argument: (spec) => this.parameters.push(String(spec)),
      option: (flags, _text, value) => this.#addOption(String(flags), value),
      action: (action) => {
        this.action = action as Action;
      },
      description: () => {},
      addHelpText: () => {},
      usage: () => {},
    };
    const program: unknown = new Proxy(known, {
      get: (methods, key) => {
        const method = methods[String(key)];
        if (method === undefined) this.unknown = true;
        return (...words: unknown[]) => {
          method?.(...words);
          return program;
        };
      },
    });
    return program as Command;
  }

  /** An option that is left out here (`--watch [seconds]`) is unknown to the parser: commander's, if it is given. */
  #addOption(flags: string, value: unknown): void {
    const found = /^(?:-(\w), )?--(no-)?([\w-]+)( <\w+>)?$/.exec(flags);
    if (found === null) return;
    const [, short, no = '', name = '', wants] = found;
    const usual = no === '' ? undefined : true;
    this.options.push({
      name: `${no}${name}`,
      short,
      type: wants === undefined ? 'boolean' : 'string',
      key: name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
      value: typeof value === 'string' ? value : usual,
    });
  }
}

interface Parsed {
  readonly values: Options;
  readonly positionals: readonly string[];
}

/**
 * `--name`, `--name value`, `--name=value`, `-n`, `-n value` and `-nvalue`. Undefined for all else: unknown, or unusual. By hand,
 * because Node's parseArgs takes longer to load than all else that is done with a command line.
 */
function parse(specs: readonly OptionSpec[], argv: readonly string[]): Parsed | undefined {
  const values: Options = {};
  const positionals: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (!word.startsWith('-')) {
      positionals.push(word);
      continue;
    }
    const [flag, attached] = split(word);
    const spec = specs.find(({ name, short }) => flag === `--${name}` || (short !== undefined && flag === `-${short}`));
    if (spec === undefined) return undefined;
    if (spec.type === 'boolean') {
      if (attached !== undefined) return undefined;
      values[spec.name] = true;
      continue;
    }
    const value = attached ?? argv[++at];
    // An option in place of its value is a mistake.
    if (value === undefined || (attached === undefined && value.startsWith('-'))) return undefined;
    values[spec.name] = value;
  }
  return { values, positionals };
}

/** An option, and the value that hangs on it. */
function split(word: string): readonly [flag: string, attached: string | undefined] {
  if (!word.startsWith('--')) return [word.slice(0, 2), word.length > 2 ? word.slice(2) : undefined];
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

/** The values of `<app> [daemon] [words...]`; undefined where the number of words doesn't fit. */
function assign(parameters: readonly string[], words: readonly string[]): unknown[] | undefined {
  const takesAll = parameters.at(-1)?.includes('...') === true;
  const required = parameters.filter((spec) => spec.startsWith('<')).length;
  if (words.length < required || (!takesAll && words.length > parameters.length)) return undefined;
  return parameters.map((spec, index) => (spec.includes('...') ? words.slice(index) : words[index]));
}

function optionsOf(specs: readonly OptionSpec[], given: Options): Options {
  const options: Options = {};
  for (const { name, key, value } of specs) {
    const told = given[name];
    if (told === undefined) {
      if (value !== undefined) options[key] = value;
    } else options[key] = name.startsWith('no-') ? false : told;
  }
  return options;
}
