import { setFlagsFromString } from 'node:v8';
import { addon } from './addon.ts';

/** See Host.releaseMemory. V8 drops compiled code after it was not called for long; with this flag at once. */
export function releaseMemory(what: 'garbage' | 'all'): void {
  if (what === 'garbage') {
    addon().releaseMemory(false);
    return;
  }
  setFlagsFromString('--stress-flush-code');
  try {
    addon().releaseMemory(true);
  } finally {
    setFlagsFromString('--no-stress-flush-code');
  }
}
