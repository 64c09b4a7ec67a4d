import type { Compressor } from '../logs/compress.ts';
import type { DaemonLog } from '../logs/daemon-log.ts';
import { openLog } from '../logs/open-log.ts';
import { logSettings } from '../logs/settings.ts';
import type { StartOutput } from '../output.ts';
import type { Prepared } from '../prepare.ts';

export interface LazyLogOptions {
  readonly prepared: Pick<Prepared, 'host' | 'paths' | 'config'>;
  readonly daemon: string;
  readonly compressor: Compressor;
  readonly onProblem: (text: string) => void;
}

/** Milliseconds that the last lines of a daemon may take to get to a disk that hangs. */
const PATIENCE = 5000;

/** The log of a daemon in the background: opened by its first start, closed when it is over. */
export class LazyLog {
  readonly #options: LazyLogOptions;
  #log: DaemonLog | undefined;

  constructor(options: LazyLogOptions) {
    this.#options = options;
  }

  /** For one start. @throws MetactlError where its file can't be made. */
  startOutput(): StartOutput {
    const { prepared, daemon, compressor, onProblem } = this.#options;
    const { host, paths, config } = prepared;
    const settings = logSettings(config, daemon, 'file');
    this.#log ??= openLog({
      ...{ host: host.logs, paths, app: config.app, daemon, compressor, onProblem },
      // There is no standard output to pass it on to.
      settings: settings.to === 'stdout' ? { ...settings, to: 'file' } : settings,
    });
    return this.#log!.startOutput();
  }

  /** Writes what there is. */
  async close(): Promise<void> {
    const log = this.#log;
    this.#log = undefined;
    await log?.close(PATIENCE);
  }
}
