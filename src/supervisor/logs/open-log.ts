import type { LogHost } from '../../host/log-host.ts';
import type { Paths } from '../../util/paths.ts';
import type { Compressor } from './compress.ts';
import { DaemonLog, type HandedLog, type Taps } from './daemon-log.ts';
import { DatagramSink } from './datagram-sink.ts';
import { FileSink } from './file-sink.ts';
import type { LossLedger } from './loss-ledger.ts';
import { journalForm, syslogForm } from './messages.ts';
import type { LogSettings } from './settings.ts';
import type { Sink } from './sink.ts';

export interface LogRequest {
  readonly host: LogHost;
  readonly paths: Paths;
  readonly app: string;
  readonly daemon: string;
  readonly settings: LogSettings;
  /** One for all logs of a supervisor. */
  readonly compressor: Compressor;
  readonly taps?: Taps;
  /** A line for the administrator: lines begin to be lost, or are no longer. */
  readonly onProblem: (text: string) => void;
  /** Where lost lines are counted. */
  readonly ledger: LossLedger;
  /** The same log in the process before this one. */
  readonly handed?: HandedLog;
}

/**
 * Opens a daemon's log. @returns undefined where its output is to be passed on only (`stdout`).
 * @throws MetactlError where its file can't be made; a log daemon may come later.
 */
export function openLog(request: LogRequest): DaemonLog | undefined {
  const sink = openSink(request);
  return sink === undefined ? undefined : new DaemonLog(sink, request.taps, request.handed);
}

function openSink(request: LogRequest): Sink | undefined {
  const { host, paths, app, daemon, settings, compressor } = request;
  const before = request.handed?.sink;
  const told = {
    onProblem: request.onProblem,
    ledger: request.ledger,
    ...(before === undefined ? {} : { handed: before }),
  };
  switch (settings.to) {
    case 'stdout':
      return undefined;
    case 'journal':
      return new DatagramSink({ host, form: journalForm(host.sockets.journal, app, daemon), ...told });
    case 'syslog':
      return new DatagramSink({ host, form: syslogForm(host.sockets.syslog, app, daemon), ...told });
    default: {
      const file = before?.file;
      const directory =
        file === undefined ? host.directory(paths, app, true)! : host.directoryBehind(file.directory.fd, file.path);
      try {
        return new FileSink({ host, directory, daemon, rotation: settings.rotation, compressor, ...told });
      } catch (error) {
        directory.close();
        throw error;
      }
    }
  }
}
