import type { Command } from 'commander';
import { bootVerb } from './boot-verb.ts';

/** `metactl disable APP [DAEMON]`: no longer starts it at boot. */
export function register(program: Command): void {
  bootVerb(program, 'disable', 'Have an app, or one daemon of it, no longer started at boot. What runs goes on.');
}
