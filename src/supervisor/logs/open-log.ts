import type { LogFile, LogHost, LogStore } from '../../host/log-host.ts';
import type { Paths } from '../../util/paths.ts';
import type { Compressor } from './compress.ts';
import { DaemonLog, type HandedLog, type Taps } from './daemon-log.ts';
import { DatagramSink } from './datagram-sink.ts';
import { inTurn } from './disk-turns.ts';
import { FileSink } from './file-sink.ts';
import type { LossLedger } from './loss-ledger.ts';
import { journalForm, syslogForm } from './messages.ts';
import { currentName } from './rotation.ts';
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
 * Opens a daemon's log; no main thread waits for its disk. @returns undefined where its output is to be passed on only (`stdout`).
 * @throws MetactlError where its file can't be made; a log daemon may come later.
 */
export async function openLog(request: LogRequest): Promise<DaemonLog | undefined> {
  const { host, paths, app, daemon, settings, handed } = request;
  if (settings.to !== 'file' || handed?.sink.file !== undefined) return openLogAtOnce(request);
  const path = `${paths.log}/${app}`;
  const { store, done } = sharedStore(path, () => host.store(paths, app));
  try {
    const shared = await store;
    return await inTurn(path, async () => {
      const directory = await shared.again();
      try {
        const file = await directory.open(currentName(daemon));
        return daemonLog(request, fileSink(request, directory, file));
      } catch (error) {
        directory.close();
        throw error;
      }
    });
  } finally {
    done();
  }
}

/** Directories that logs are being opened in, by path: the daemons of an app that start together need not look at each as well. */
const opening = new Map<string, { readonly store: Promise<LogStore>; users: number }>();

function sharedStore(path: string, open: () => Promise<LogStore>): { store: Promise<LogStore>; done: () => void } {
  const shared = opening.get(path) ?? { store: inTurn(path, open), users: 0 };
  opening.set(path, shared);
  shared.users++;
  const done = () => {
    if (--shared.users > 0) return;
    opening.delete(path);
    shared.store.then((store) => store.close()).catch(() => {});
  };
  return { store: shared.store, done };
}

/** The same for one that needs no file to be opened: none, or one that the process before has open. */
export function openLogAtOnce(request: LogRequest): DaemonLog | undefined {
  const { host, app, daemon, settings, handed } = request;
  switch (settings.to) {
    case 'stdout':
      return undefined;
    case 'journal':
      return daemonLog(
        request,
        new DatagramSink({ host, form: journalForm(host.sockets.journal, app, daemon), ...told(request) }),
      );
    case 'syslog':
      return daemonLog(
        request,
        new DatagramSink({ host, form: syslogForm(host.sockets.syslog, app, daemon), ...told(request) }),
      );
    default: {
      const { directory, path, log, ...rest } = handed!.sink.file!;
      return daemonLog(request, fileSink(request, host.storeBehind(directory.fd, path), { ...rest, fd: log.fd }));
    }
  }
}

function daemonLog({ taps, handed }: LogRequest, sink: Sink): DaemonLog {
  return new DaemonLog(sink, taps, handed);
}

function fileSink(request: LogRequest, directory: LogStore, file: LogFile): Sink {
  const { host, paths, app, daemon, settings, compressor } = request;
  const directoryNow = () => host.store(paths, app);
  return new FileSink({
    host,
    directory,
    directoryNow,
    file,
    daemon,
    rotation: settings.rotation,
    compressor,
    ...told(request),
  });
}

function told({ onProblem, ledger, handed }: LogRequest) {
  return { onProblem, ledger, ...(handed === undefined ? {} : { handed: handed.sink }) };
}
