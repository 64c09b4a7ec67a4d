import { Command } from 'commander';
import { describe, expect, it, test } from 'vitest';
import { NotQuick, readQuickly } from '../../../src/cli/quick-command.ts';
import { VERBS } from '../../../src/cli/verbs.ts';

type Register = (program: Command) => void;

/** What the verb was called with: values, options, and what its Command tells. */
type Call = readonly unknown[];

function verbWith(calls: Call[], build: (command: Command) => Command): Register {
  return (program) => {
    build(program.command('verb').description('a verb').addHelpText('after', 'text')).action((...values: unknown[]) => {
      const command = values.at(-1) as Command;
      calls.push([...values.slice(0, -1), command.optsWithGlobals(), command.args]);
    });
  };
}

function quickly(build: (command: Command) => Command, argv: readonly string[]): Call | undefined {
  const calls: Call[] = [];
  const run = readQuickly(verbWith(calls, build), 'verb', argv);
  expect(calls).toEqual([]);
  run?.();
  return calls[0];
}

async function fully(build: (command: Command) => Command, argv: readonly string[]): Promise<Call | undefined> {
  const calls: Call[] = [];
  const program = new Command('metactl').option('--root <dir>').option('--json').option('--debug').exitOverride();
  program.configureOutput({ writeErr: () => {}, writeOut: () => {} });
  verbWith(calls, build)(program);
  for (const command of program.commands) command.copyInheritedSettings(program);
  await program.parseAsync(argv, { from: 'user' }).catch(() => {});
  return calls[0];
}

const plain = (command: Command) => command.argument('<app>', 'the app').argument('[daemon]', 'one');
const rich = (command: Command) =>
  command
    .argument('[app]', 'the app')
    .argument('[key...]', 'keys')
    .option('-f, --follow', 'go on')
    .option('-n, --lines <count>', 'so many', '100')
    .option('--as-root', 'as root')
    .option('--watch [seconds]', 'again')
    .option('--no-wait', 'at once');

describe('an ordinary command line is understood as commander understands it', () => {
  it.each([
    ['verb', 'shop'],
    ['verb', 'shop', 'web'],
    ['--root', '/srv/x', 'verb', 'shop'],
    ['verb', '--root=/srv/x', 'shop', '--json'],
    ['--json', '--debug', 'verb', 'shop', 'web'],
    ['verb', '', 'web'],
  ])('%j', async (...argv) => {
    const call = quickly(plain, argv);
    expect(call).toBeDefined();
    expect(call).toEqual(await fully(plain, argv));
  });

  it.each([
    ['verb'],
    ['verb', 'shop', 'a', 'b', 'c'],
    ['verb', '-f', '-n', '5'],
    ['verb', '-n5', '--lines', '7'],
    ['verb', '--as-root', '--no-wait', 'shop'],
    ['verb', '-f', '--json', '--lines=0'],
    ['verb', '--lines=', 'shop', '-n=5'],
    ['verb', '--lines', '1', '--lines=2=3'],
  ])('%j with options', async (...argv) => {
    const call = quickly(rich, argv);
    expect(call).toBeDefined();
    expect(call).toEqual(await fully(rich, argv));
  });
});

describe('what is not ordinary is left to commander', () => {
  it.each([
    ['verb'],
    ['verb', 'a', 'b', 'c'],
    ['verb', 'shop', '--help'],
    ['verb', 'shop', '-h'],
    ['verb', 'shop', '--version'],
    ['verb', 'shop', '--jsn'],
    ['verb', 'shop', '--root'],
    ['verb', 'shop', '--json=yes'],
    ['verb', '-'],
    ['verb', 'shop', '-jx'],
    ['verb', 'shop', '--', '-x'],
    ['other', 'shop'],
    ['shop', 'verb'],
  ])('%j', (...argv) => {
    expect(quickly(plain, argv)).toBeUndefined();
  });

  it('an option whose value may be left out, and a value that looks like an option', () => {
    expect(quickly(rich, ['verb', '--watch', '5'])).toBeUndefined();
    expect(quickly(rich, ['verb', '--lines', '-5'])).toBeUndefined();
    expect(quickly(rich, ['verb', '-fx'])).toBeUndefined();
  });

  it('a verb that uses more of commander', () => {
    expect(quickly((command) => command.passThroughOptions(), ['verb'])).toBeUndefined();
  });
});

test('a verb may ask for commander by its error', () => {
  const register = (program: Command) => {
    program.command('verb').action((_options: object, command: Command) => command.error('how it is used'));
  };
  expect(readQuickly(register, 'verb', ['verb'])).toThrow(NotQuick);
});

// Each of them has a time to keep: 6 ms for commander are too much.
test.each(['ip', 'config', 'status', 'run', 'start', 'stop', 'restart'])(
  '%s is understood without commander',
  async (verb) => {
    const { register } = await VERBS[verb]!.load();
    expect(readQuickly(register, verb, ['--root', '/srv', verb, 'shop'])).toBeDefined();
  },
);
