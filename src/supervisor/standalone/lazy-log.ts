import type { Host } from '../../host/host.ts';
import type { Paths } from '../../util/paths.ts';
import type { Gate } from '../handover/gate.ts';
import type { Compressor } from '../logs/compress.ts';
import type { DaemonLog, HandedLog } from '../logs/daemon-log.ts';
import type { LossLedger } from '../logs/loss-ledger.ts';
import { type LogRequest, openLog, openLogAtOnce } from '../logs/open-log.ts';
import type { LogSettings } from '../logs/settings.ts';
import type { StartOutput } from '../output.ts';

export interface LazyLogOptions {
  readonly host: Pick<Host, 'logs'>;
  readonly paths: Paths;
  readonly app: string;
  readonly daemon: string;
  readonly settings: LogSettings;
  readonly compressor: Compressor;
  /** It is not closed while this is. */
  readonly gate: Gate;
  readonly onProblem: (text: string) => void;
  readonly ledger: LossLedger;
}

/** Milliseconds that the last lines of a daemon may take to get to a disk that hangs. */
const PATIENCE = 5000;
/** After as many it is told that a start waits for its disk. */
const USUAL = 1000;

/** The log of a daemon in the background: opened by its first start, closed when it is over. */
export class LazyLog {
  readonly #options: LazyLogOptions;
  #log: DaemonLog | undefined;
  /** On its way: one, however often a start gives up waiting for it. */
  #opening: Promise<DaemonLog> | undefined;
  #wanted = false;
  #late = false;

  /** @param handed what the process before had open. */
  constructor(options: LazyLogOptions, handed?: HandedLog) {
    this.#options = options;
    if (handed !== undefined) this.#log = openLogAtOnce(this.#request(handed));
  }

  /** For one start: at once where it is open. @throws MetactlError where its file can't be made. */
  startOutput(): StartOutput | Promise<StartOutput> {
    if (this.#log !== undefined) return this.#log.startOutput();
    this.#wanted = true;
    this.#opening ??= this.#open();
    return this.#opening.then((log) => log.startOutput());
  }

  /** What a start waits for, where that takes long. */
  get waitsFor(): string | undefined {
    return this.#late ? `waits for its log: ${this.#options.paths.log} does not answer` : undefined;
  }

  /** See DaemonLog. */
  async pause(patience: number): Promise<boolean> {
    return (await this.#log?.pause(patience)) ?? true;
  }

  goOn(): void {
    this.#log?.goOn();
  }

  /** Undefined where it can't be handed over now. @param running whether the daemon runs, and may write more. */
  handOver(running: boolean): { readonly handed: HandedLog | undefined } | undefined {
    const handed = this.#log?.handOver(running);
    return this.#log !== undefined && handed === undefined ? undefined : { handed };
  }

  /** Writes what there is. One that is still on its way is closed when it comes. */
  close(): Promise<void> {
    return this.#options.gate.pass(async () => {
      this.#wanted = false;
      const log = this.#log;
      this.#log = undefined;
      await log?.close(PATIENCE);
    });
  }

  async #open(): Promise<DaemonLog> {
    const late = setTimeout(() => {
      this.#late = true;
      this.#options.onProblem(`its start ${this.waitsFor}`);
    }, USUAL);
    try {
      // Its lines have somewhere to go: there is no standard output.
      const log = (await openLog(this.#request()))!;
      if (this.#wanted) this.#log = log;
      else void log.close(PATIENCE);
      return log;
    } finally {
      clearTimeout(late);
      this.#late = false;
      this.#opening = undefined;
    }
  }

  #request(handed?: HandedLog): LogRequest {
    const { host, paths, app, daemon, settings, compressor, onProblem, ledger } = this.#options;
    return {
      ...{ host: host.logs, paths, app, daemon, settings, compressor, onProblem, ledger },
      ...(handed === undefined ? {} : { handed }),
    };
  }
}
