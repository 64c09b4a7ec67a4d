import { setTimeout as sleep } from 'node:timers/promises';
import { messageLine } from '../../util/error.ts';
import { untilDone } from '../service/patience.ts';

/**
 * What a supervisor starts by itself at boot. Nobody is there who would try again: what may pass (an uplink or a user that isn't
 * there yet) is tried again with the pauses of a unit, until somebody says what is to become of the app.
 */
export class BootStarts {
  readonly #pending = new Map<string, AbortController>();
  readonly #log: (line: string) => void;

  /** @param log one line about what could not be started. */
  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** @returns when it has been tried once. Never rejects. */
  begin(app: string, start: () => Promise<unknown>): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    this.#pending.set(app, controller);
    return new Promise((resolve) => {
      const say = (error: unknown, more: string) =>
        this.#log(`${app} could not be started: ${messageLine(error)}${more}`);
      const again = (error: unknown, pause: number) => {
        if (!signal.aborted) say(error, `; trying again in ${pause / 1000} s`);
        resolve();
      };
      untilDone(start, again, (pause) => sleep(pause, undefined, { signal, ref: false }))
        .catch((error: unknown) => {
          if (!signal.aborted) say(error, '');
        })
        .finally(() => {
          if (this.#pending.get(app) === controller) this.#pending.delete(app);
          resolve();
        });
    });
  }

  /** Somebody has said what is to become of it, or of all apps. */
  forget(app?: string): void {
    for (const [name, controller] of this.#pending) if (app === undefined || app === name) controller.abort();
  }
}
