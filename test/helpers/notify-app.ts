import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './run-metactl.ts';
import type { Scratch } from './scratch.ts';

/** Daemon names to the words of `test/fixtures/programs/notify.py` and further lines of the section. */
export type NotifyDaemons = Readonly<Record<string, readonly [words: string, keys: string]>>;

/** Writes the app `shop` of such daemons, without a network. @param more lines before their sections. @returns its directory. */
export function notifyApp(scratch: Scratch, daemons: NotifyDaemons, more = ''): string {
  const directory = scratch.appDirectory('shop', {});
  copyFileSync(join(REPOSITORY, 'test/fixtures/programs/notify.py'), join(directory, 'notify.py'));
  const sections = Object.entries(daemons).map(
    ([name, [words, keys]]) =>
      `[daemon.${name}]\ncommand = /usr/bin/python3 ${directory}/notify.py ${words}\n${keys}\n`,
  );
  scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n${more}${sections.join('')}`);
  return directory;
}
