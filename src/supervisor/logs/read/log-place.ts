import { fstatSync, lstatSync } from 'node:fs';
import type { LogDirectory } from '../../../host/log-host.ts';

/** The directory of an app's logs, which may come later, or be another one day: `purge` removes it. */
export class LogPlace {
  readonly #open: () => LogDirectory | undefined;
  #directory: LogDirectory | undefined;

  /** @param open finds it. */
  constructor(open: () => LogDirectory | undefined) {
    this.#open = open;
    this.#directory = open();
  }

  /** As it was found last. */
  get directory(): LogDirectory | undefined {
    return this.#directory;
  }

  /** Looks for it where it was not there, or is another by now. @throws MetactlError where it can't be opened. */
  look(): void {
    if (this.#directory !== undefined && isStillThere(this.#directory)) return;
    const found = this.#open();
    if (found === undefined) return;
    this.#directory?.close();
    this.#directory = found;
  }

  close(): void {
    this.#directory?.close();
    this.#directory = undefined;
  }
}

function isStillThere({ path, fd }: LogDirectory): boolean {
  const now = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  const own = fstatSync(fd, { bigint: true });
  return now === undefined || (now.ino === own.ino && now.dev === own.dev);
}
