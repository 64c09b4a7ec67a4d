import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { SIGNALS } from '../../../src/config/signals.ts';
import { inspect } from './root.ts';

const found = (word: string | number) => inspect({ node: `[daemon.web]\nkill-signal = ${word}\n` }).lines;
const NO_WISH: readonly NodeJS.Signals[] = ['SIGSTOP', 'SIGCONT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGCHLD', 'SIGURG'];

describe('kill-signal', () => {
  it.each(NO_WISH)('is not %s, by name or number', (name) => {
    for (const word of [name, name.slice(3), constants.signals[name]]) {
      expect(found(word)).toEqual([
        `/etc/metactl/nodes/myapp.conf:2:15: found \`${word}\`, expected a signal that a program can take for the wish to end`,
      ]);
    }
  });

  it('is any other one', () => {
    const others = SIGNALS.filter((name) => !(NO_WISH as readonly string[]).includes(name));
    for (const word of [...others, 1, 64]) expect([word, found(word)]).toEqual([word, []]);
    for (const word of [0, 65, 99]) expect([word, found(word).length]).toEqual([word, 1]);
  });
});
