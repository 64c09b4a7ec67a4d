import { EXIT, MetactlError } from '../util/error.ts';
import { quoted } from '../util/escape.ts';

/**
 * Refuses what a format has no way to hold. Names of apps are plain, so it is about paths: of Node, metactl or `--root`.
 * @throws MetactlError METACTL_BAD_PATH (78)
 */
export function requireCharacters(text: string, forbidden: RegExp, format: string): void {
  const found = forbidden.exec(text)?.[0];
  if (found === undefined) return;
  throw new MetactlError(
    `the character ${quoted(found)} in ${quoted(text, 240)} can't be written in a file of ${format}`,
    {
      code: 'METACTL_BAD_PATH',
      step: 'make the service files',
      path: text,
      hint: 'use a path without it',
      exitStatus: EXIT.configuration,
    },
  );
}
