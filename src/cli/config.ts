import type { Command } from 'commander';
import { loadApp } from '../config/load.ts';
import type { LoadedConfig, Setting } from '../config/types.ts';
import { platforms } from '../platform/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { escapeText } from '../util/escape.ts';
import { nearest } from '../util/suggest.ts';
import { configJson, configText, shownText } from './config-text.ts';
import { contextOf } from './context.ts';
import { jsonText, print } from './print.ts';

interface Options {
  readonly origin?: boolean;
  readonly reveal?: boolean;
  readonly helpKeys?: boolean;
}

/** `metactl config APP [KEY…]`: the merged configuration. */
export function register(program: Command): void {
  program
    .command('config')
    .description('Print the merged configuration of an app: all of it, sections, or single keys.')
    .argument('[app]', 'the app')
    .argument('[key...]', 'a section (daemon.web), a key (daemon.web:nice) or a name of keys (nice)')
    .option('--origin', 'tell the file and line of each value, and of what went into it')
    .option('--reveal', 'do not mask passwords')
    .option('--help-keys', 'list all keys that there are')
    .addHelpText(
      'after',
      '\nOf a single key only the value is printed. Exit status: 1 the key is not set, 4 no such app, 78 configuration.',
    )
    .action(async (app: string | undefined, keys: readonly string[], options: Options, command: Command) => {
      const context = contextOf(command);
      if (options.helpKeys === true) {
        print((await import('../config/docs.ts')).helpKeys(platforms));
        return;
      }
      if (app === undefined) command.error("error: missing required argument 'app'");
      const config = loadApp(context.paths, app!, platforms);
      const settings = choose(config, keys);
      const reveal = options.reveal === true;
      print(
        context.json
          ? jsonText(configJson(config, settings, reveal), 2)
          : keys.length === 1 && settings.length === 1 && options.origin !== true
            ? `${escapeText(shownText(settings[0]!, reveal))}\n`
            : configText(config, settings, { ...context, origin: options.origin === true, reveal }),
      );
    });
}

/** @throws MetactlError METACTL_NO_SUCH_KEY (1) for what nobody sets and what has no default. */
export function choose(config: LoadedConfig, keys: readonly string[]): readonly Setting[] {
  const all = config.sections().flatMap((section) => config.section(section));
  return keys.length === 0 ? all : keys.flatMap((key) => find(config, all, key));
}

function find(config: LoadedConfig, all: readonly Setting[], name: string): readonly Setting[] {
  const colon = name.indexOf(':');
  if (colon >= 0) {
    const [section, key] = [name.slice(0, colon), name.slice(colon + 1)];
    const setting = config.setting(section, key) ?? defaultSetting(config, section, key);
    if (setting !== undefined) return [setting];
  } else if (config.sections().includes(name)) {
    return config.section(name);
  } else {
    const found = all.filter((setting) => setting.key === name);
    if (found.length > 0) return found;
  }
  const known = all.flatMap(({ section, key }) => [section, key, `${section}:${key}`]);
  const near = nearest(name, known);
  throw new MetactlError(`${config.app} does not set \`${escapeText(name)}\`, and it has no default`, {
    code: 'METACTL_NO_SUCH_KEY',
    hint: near === undefined ? 'metactl config --help-keys lists all keys' : `did you mean \`${near}\`?`,
    exitStatus: EXIT.error,
  });
}

function defaultSetting(config: LoadedConfig, section: string, key: string): Setting | undefined {
  const text = config.defaultOf(section, key);
  if (text === undefined) return undefined;
  const origin = { layer: 'platform', file: 'built-in default', line: 0, column: 0 } as const;
  const rest = { origin, chain: [], overridden: [], trust: 'platform', secret: false } as const;
  return { section, key, raw: text, text, value: text, ...rest };
}
