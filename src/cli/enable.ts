import type { Command } from 'commander';
import { bootVerb } from './boot-verb.ts';

/** `metactl enable APP [DAEMON]`: starts it at boot. */
export function register(program: Command): void {
  bootVerb(program, 'enable', 'Have an app, or one daemon of it, started at boot.');
}
