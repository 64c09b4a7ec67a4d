import { setFlagsFromString } from 'node:v8';
import { addon } from './addon.ts';

/** See Host.releaseMemory. V8 drops compiled code after it was not called for long; with this flag at once. */
export function releaseMemory(): void {
  setFlagsFromString('--stress-flush-code');
  try {
    addon().releaseMemory();
  } finally {
    setFlagsFromString('--no-stress-flush-code');
  }
}
