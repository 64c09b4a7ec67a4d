import type { LogHost, LogSocket } from '../../host/log-host.ts';
import type { Daemon } from '../state/types.ts';
import type { ServiceEnvironment } from './environment.ts';
import {
  EXTENSION_PERIOD,
  extensionMessage,
  isHealthy,
  NOTHING_TOLD,
  notifyMessage,
  type Told,
  type UnitView,
} from './messages.ts';

export interface NotifierOptions {
  readonly host: Pick<LogHost, 'socket'>;
  readonly environment: ServiceEnvironment;
  /** One line for the administrator. */
  readonly log: (line: string) => void;
  /** The manager has been told that the unit is up. */
  readonly onUp?: () => void;
}

/** Pause between two messages that only change STATUS=: an app may change its own as often as it likes. ms */
const STATUS_PAUSE = 250;
/** Until what could not be sent is tried again. ms */
const RETRY = 1000;

const EMPTY = Buffer.alloc(0);
/** One line without text, see LogSocket.send: the datagram is the envelope's head. */
const ONE = Buffer.from(':\n');

/**
 * Tells the service manager by sd_notify(3) how the unit is, one message after the other. Without a socket it does nothing.
 * The manager sees this process as the main one (`NotifyAccess=main`), whatever it runs.
 */
export class ServiceNotifier {
  readonly #options: NotifierOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  #socket: LogSocket | undefined;
  #daemons: readonly Daemon[] = [];
  #told: Told;
  #ending = false;
  #reloads = 0;
  #overdue = false;
  #note: string | undefined;
  #work: Promise<void> = Promise.resolve();
  #queued = false;
  #sentAt = Number.NEGATIVE_INFINITY;
  #later: NodeJS.Timeout | undefined;
  #complained = false;
  #closing = false;

  /** @param told by the process that this one takes the place of. */
  constructor(options: NotifierOptions, told: Told = NOTHING_TOLD) {
    this.#options = options;
    this.#told = told;
    const { notifySocket, watchdog } = options.environment;
    if (notifySocket === undefined) return;
    this.#timers.push(setInterval(() => this.#extend(), EXTENSION_PERIOD));
    // Half of it, as sd_watchdog_enabled(3) advises.
    if (watchdog !== undefined) this.#timers.push(setInterval(() => this.#ping(), Math.max(1, watchdog / 2)));
    for (const timer of this.#timers) timer.unref();
    if (told === NOTHING_TOLD) this.#extend();
  }

  /** What the manager was told last. */
  get told(): Told {
    return this.#told;
  }

  /** The daemons are there, and are about to be started. */
  begin(daemons: readonly Daemon[]): void {
    this.#daemons = daemons;
    for (const daemon of daemons) {
      daemon.onEvent((event) => {
        if (event.type === 'killing' && event.timeout) this.#overdue = true;
        this.#update();
      });
    }
    this.#update();
  }

  /** Whether the manager has not been told yet that the unit is up. */
  get starting(): boolean {
    return this.#told.phase === 'starting';
  }

  /** The unit ends. */
  stopping(): void {
    this.#ending = true;
    this.#update();
  }

  /** SIGHUP: `done` resolves when what follows from it has been done. */
  reloading(done: Promise<unknown>): void {
    this.#reloads++;
    this.#update();
    const over = () => {
      this.#reloads--;
      this.#update();
    };
    done.then(over, over);
  }

  /** Shows a text in the place of the states: why it fails, or can't begin. Then no more time is asked for. */
  note(text: string | undefined): void {
    this.#note = text;
    this.#update();
  }

  /** Says the last word; waits until that is said, or can't be. */
  async close(): Promise<void> {
    this.#closing = true;
    // One that ended well right after its start has been up: without READY=1 the manager would call that a failure.
    this.#update();
    await this.#work;
    this.#ending = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#update();
    await this.#work;
    clearTimeout(this.#later);
    this.#socket?.close();
    this.#socket = undefined;
  }

  #view(): UnitView {
    return {
      daemons: this.#daemons.map((daemon) => daemon.status()),
      ending: this.#ending,
      reloading: this.#reloads > 0,
      note: this.#note ?? (this.#daemons.length === 0 ? 'preparing' : undefined),
    };
  }

  /** Something has changed. What changes until it can be said is said at once with it. */
  #update(): void {
    if (this.#queued || this.#options.environment.notifySocket === undefined) return;
    this.#queued = true;
    this.#work = this.#work.then(async () => {
      this.#queued = false;
      await this.#tell();
    });
  }

  async #tell(): Promise<void> {
    const { told, message } = notifyMessage(this.#told, this.#view(), process.hrtime.bigint() / 1000n);
    if (message === undefined) return;
    const wait = this.#sentAt + STATUS_PAUSE - performance.now();
    if (told.phase === this.#told.phase && wait > 0 && !this.#closing) this.#retryIn(wait);
    else if (await this.#send(message)) {
      const { phase } = this.#told;
      this.#told = told;
      if (phase === 'starting' && told.phase === 'up') this.#options.onUp?.();
    } else this.#retryIn(RETRY);
  }

  #retryIn(milliseconds: number): void {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.#update(), milliseconds);
    this.#later.unref();
  }

  #extend(): void {
    if (this.#note !== undefined) return;
    this.#say(extensionMessage(this.#told, this.#view(), this.#overdue));
  }

  #ping(): void {
    this.#say(isHealthy(this.#view()) ? 'WATCHDOG=1' : undefined);
  }

  #say(message: string | undefined): void {
    if (message === undefined) return;
    this.#work = this.#work.then(async () => void (await this.#send(message)));
  }

  /** @returns false where it could not be sent. Never rejects. */
  async #send(message: string): Promise<boolean> {
    const { host, environment, log } = this.#options;
    const head = Buffer.from(message);
    let error: string | undefined;
    try {
      this.#socket ??= host.socket(environment.notifySocket!);
      ({ error } = await this.#socket.send({ head, continued: head, unended: head, tail: EMPTY, memfd: false }, ONE));
    } catch (thrown) {
      error = (thrown as { code?: string }).code ?? String(thrown);
    }
    if (error === undefined) {
      this.#sentAt = performance.now();
      this.#complained = false;
      return true;
    }
    this.#socket?.close();
    this.#socket = undefined;
    if (!this.#complained) log(`warning: can't tell the service manager by ${environment.notifySocket}: ${error}`);
    this.#complained = true;
    return false;
  }
}
