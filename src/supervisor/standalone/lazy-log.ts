import type { Host } from '../../host/host.ts';
import type { Paths } from '../../util/paths.ts';
import type { Gate } from '../handover/gate.ts';
import type { Compressor } from '../logs/compress.ts';
import type { DaemonLog, HandedLog } from '../logs/daemon-log.ts';
import type { LossLedger } from '../logs/loss-ledger.ts';
import { openLog } from '../logs/open-log.ts';
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

/** The log of a daemon in the background: opened by its first start, closed when it is over. */
export class LazyLog {
  readonly #options: LazyLogOptions;
  #log: DaemonLog | undefined;

  /** @param handed what the process before had open. */
  constructor(options: LazyLogOptions, handed?: HandedLog) {
    this.#options = options;
    if (handed !== undefined) this.#open(handed);
  }

  /** For one start. @throws MetactlError where its file can't be made. */
  startOutput(): StartOutput {
    if (this.#log === undefined) this.#open();
    return this.#log!.startOutput();
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

  /** Writes what there is. */
  close(): Promise<void> {
    return this.#options.gate.pass(async () => {
      const log = this.#log;
      this.#log = undefined;
      await log?.close(PATIENCE);
    });
  }

  #open(handed?: HandedLog): void {
    const { host, paths, app, daemon, settings, compressor, onProblem, ledger } = this.#options;
    this.#log = openLog({
      ...{ host: host.logs, paths, app, daemon, settings, compressor, onProblem, ledger },
      ...(handed === undefined ? {} : { handed }),
    });
  }
}
