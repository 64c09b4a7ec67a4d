import type { AppConfig } from '../config/types.ts';
import type { CommandLine, Platform } from './platform.ts';
import { checkable, inAppDirectory, needOf, sectionError } from './settings.ts';

/** Any program: `command` is the command line. */
export const exec: Platform = {
  name: 'exec',
  doc: 'Any program: `command` is the command line, its first word a name in PATH or a path (relative to the app directory).',
  keys: [],
  defaults: () => ({}),
  command: execCommand,
};

/** @throws MetactlError (78) where `command` is missing. */
function execCommand(config: AppConfig, daemon: string): CommandLine {
  const [program, ...rest] = config.words(`daemon.${daemon}`, 'command') ?? [];
  if (program === undefined || program === '') {
    throw sectionError(
      config,
      daemon,
      'has no `command`',
      'set command = PROGRAM ARGUMENTS, or a platform such as jvm',
    );
  }
  if (!program.includes('/')) return { argv: [program, ...rest], env: {}, needs: [] };
  const path = inAppDirectory(config, program);
  const need = needOf(config, daemon, 'command', { path, what: 'program', kind: 'executable' });
  return { argv: [path, ...rest], env: {}, needs: checkable(config, [need]) };
}
