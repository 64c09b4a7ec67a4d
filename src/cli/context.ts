import type { Command } from 'commander';
import { isTerminal } from '../supervisor/is-terminal.ts';
import { type Paths, pathsFor } from '../util/paths.ts';

/** What every verb knows before it looks at its own options. */
export interface Context {
  readonly paths: Paths;
  readonly json: boolean;
  readonly debug: boolean;
  /** Colour only on a terminal and unless NO_COLOR is set (https://no-color.org). */
  readonly color: boolean;
}

/**
 * Reads the options shared by all verbs (`--root`, `--json`, `--debug`) from a verb's command.
 * @throws MetactlError (2) where the root is not an absolute path.
 */
export function contextOf(command: Command): Context {
  const options = command.optsWithGlobals<{ root?: string; json?: boolean; debug?: boolean }>();
  return {
    paths: pathsFor(options.root ?? process.env.METACTL_ROOT ?? '/'),
    json: options.json === true,
    debug: options.debug === true,
    color: isTerminal(1) && !process.env.NO_COLOR,
  };
}
