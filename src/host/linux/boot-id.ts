import { readFileSync } from 'node:fs';

let known: string | undefined;

/** Of this boot of the machine: what was noted in another one is about processes and kernel objects that are gone. */
export function bootId(): string {
  known ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return known;
}
