import { OutputCopy } from '../output.ts';
import type { RunSpec } from '../run-spec.ts';
import { Compressor } from './compress.ts';
import type { DaemonLog, HandedLog, Tap } from './daemon-log.ts';
import { type LogLoss, LossLedger } from './loss-ledger.ts';
import { openLog } from './open-log.ts';

type Target = ConstructorParameters<typeof OutputCopy>[0];

/** Milliseconds that the last lines of a daemon may take to get to a disk that hangs. */
const PATIENCE = 5000;

/** The logs of what `run` runs: of those daemons whose `log.to` asks for one. */
export interface ForegroundLogs {
  /** Absent where output is only passed through. */
  of(daemon: string): DaemonLog | undefined;
  /** Lines of it that were lost. */
  lossOf(daemon: string): LogLoss | undefined;
  close(): Promise<void>;
}

export interface ForegroundLogIo {
  readonly stdout: () => Target & { readonly isTTY?: boolean };
  readonly stderr: () => Target & { readonly isTTY?: boolean };
  readonly log: (line: string) => void;
  /** Lines go to the journal unless `log.to` says otherwise, and are not passed on: they would be there twice. */
  readonly journal?: boolean;
  /** Before each line of a daemon; undefined where there is one only. */
  readonly prefix: (daemon: string) => string | undefined;
}

/**
 * Opens them, and passes on what goes into them. @param handed what the process before had open, by daemon.
 * @throws MetactlError where a file can't be made: nothing is open then.
 */
export async function openForegroundLogs(
  { app, host, paths, units }: RunSpec,
  io: ForegroundLogIo,
  handed: ReadonlyMap<string, { readonly log: HandedLog | undefined; readonly loss: LogLoss | undefined }> = new Map(),
): Promise<ForegroundLogs> {
  const compressor = new Compressor();
  const logs = new Map<string, DaemonLog>();
  const ledgers = new Map<string, LossLedger>();
  const close = async () => {
    compressor.stop();
    await Promise.all([...logs.values()].map((log) => log.close(PATIENCE)));
  };
  try {
    for (const { plan, log: settings } of units) {
      const { daemon } = plan;
      const before = handed.get(daemon);
      const ledger = new LossLedger(before?.loss);
      ledgers.set(daemon, ledger);
      if (settings.to === 'stdout') continue;
      const tap = (to: ReturnType<ForegroundLogIo['stdout']>): Tap => {
        const copy = new OutputCopy(to, { prefix: io.prefix(daemon), escape: to.isTTY === true });
        return { push: (bytes) => copy.push(Buffer.from(bytes)), end: () => copy.end() };
      };
      const log = await openLog({
        ...{ host: host.logs, paths, app, daemon, compressor },
        ...{ settings, ledger },
        taps: io.journal === true ? {} : { out: tap(io.stdout()), err: tap(io.stderr()) },
        onProblem: (text) => io.log(`warning: ${app}/${daemon}: ${text}`),
        ...(before?.log === undefined ? {} : { handed: before.log }),
      });
      if (log !== undefined) logs.set(daemon, log);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { of: (daemon) => logs.get(daemon), lossOf: (daemon) => ledgers.get(daemon)?.loss, close };
}
