import { setTimeout as sleep } from 'node:timers/promises';
import { messageLine } from '../../util/error.ts';
import { untilDone } from '../service/patience.ts';

/** What is still to be done of a boot, for the process that takes this one's place: plain data. */
export interface HandedStarts {
  /** Apps that are still to be started, in the order in which they were begun. */
  readonly apps: readonly string[];
  /** Of the service manager, where it has not been told yet that this supervisor is up. */
  readonly notifySocket: string | undefined;
}

/**
 * What a supervisor starts by itself at boot. Nobody is there who would try again: what may pass (an uplink or a user that isn't
 * there yet) is tried again with the pauses of a unit, until somebody says what is to become of the app.
 */
export class BootStarts {
  readonly #pending = new Map<string, AbortController>();
  readonly #log: (line: string) => void;
  /** Of the service manager, while it waits for all to have been tried once. */
  notifySocket: string | undefined;

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

  /** What the next process is to go on with; what was about to be tried is tried by that one. */
  handOver(): HandedStarts {
    const pending = [...this.#pending].filter(([, { signal }]) => !signal.aborted);
    return { apps: pending.map(([app]) => app), notifySocket: this.notifySocket };
  }

  /** Somebody has said what is to become of it, or of all apps. */
  forget(app?: string): void {
    for (const [name, controller] of this.#pending) if (app === undefined || app === name) controller.abort();
  }
}
