import type { Host } from '../../host/host.ts';
import { messageLine } from '../../util/error.ts';
import { type ForegroundIo, runForeground, runInForeground } from '../foreground.ts';
import type { Handover } from '../handover/document.ts';
import { receiveHandover, replacer } from '../handover/receive.ts';
import { replaceProcess } from '../handover/replace.ts';
import type { Successor } from '../handover/successor.ts';
import type { HandedRun, MovableRun } from '../movable-run.ts';
import { preload } from '../preload.ts';
import type { Prepared } from '../prepare.ts';
import { unpackRun } from '../run-spec.ts';
import { checkWords } from '../standalone/replace.ts';
import type { Daemon } from '../state/types.ts';
import type { ServiceEnvironment } from './environment.ts';
import { unitErrorStatus, unitExitStatus } from './exit-status.ts';
import type { Told } from './messages.ts';
import { ServiceNotifier } from './notifier.ts';
import { untilDone } from './patience.ts';
import { whenQuiet } from './quiet.ts';

export interface UnitOptions {
  readonly host: Host;
  readonly io: Pick<ForegroundIo, 'stdout' | 'stderr' | 'log'>;
  /** Of metactl, as people know it. */
  readonly version: string;
  /** What takes this process's place, unless it is told another. */
  readonly successor: Successor;
  readonly begin: UnitBegin | HandedUnitRun;
  /** The manager was told that the unit is up, for the first time. */
  readonly onUp?: () => void;
  /** Says why it could not run. */
  readonly onError: (error: unknown) => void;
}

/** A start. */
export interface UnitBegin {
  readonly environment: ServiceEnvironment;
  readonly prepare: () => Promise<Prepared>;
}

/** What the process before hands over. */
export type HandedUnitRun = Handover<HandedUnit>;

interface HandedUnit extends HandedRun {
  readonly unit: { readonly environment: ServiceEnvironment; readonly told: Told };
}

/** See receiveHandover. */
export const receiveUnit = (host: Host, fd: number): HandedUnitRun => receiveHandover<HandedUnit>(host, fd);

/**
 * Runs an app, or one daemon of it, as a unit of a service manager, which is told how it is.
 * @returns the exit status for the manager, see `unitExitStatus` and `unitErrorStatus`.
 */
export async function runUnit(options: UnitOptions): Promise<number> {
  const { host, io, begin } = options;
  const before = 'prepare' in begin ? undefined : begin;
  const environment = 'prepare' in begin ? begin.environment : begin.body.unit.environment;
  const notifier = new ServiceNotifier(
    { host: host.logs, environment, log: io.log, ...(options.onUp === undefined ? {} : { onUp: options.onUp }) },
    before?.body.unit.told,
  );
  let daemons: readonly Daemon[] = [];
  let asked = false;
  let loud = () => {};
  const foreground: ForegroundIo = {
    ...io,
    journal: environment.journal,
    watcher: {
      begin(all, stop) {
        daemons = all;
        for (const daemon of all) stopWhereStartFails(daemon, notifier, stop);
        notifier.begin(all);
        loud = whenQuiet(all, () => host.releaseMemory('all'), before !== undefined);
      },
      stopping() {
        asked = true;
        loud();
        notifier.stopping();
      },
      reloading: (done) => notifier.reloading(done),
    },
    reexec: reexecOf(options, environment, notifier, before),
  };
  try {
    if ('prepare' in begin) {
      // What is installed may be replaced while it runs.
      const prepare = untilDone(begin.prepare, (error, pause) => {
        const text = messageLine(error);
        notifier.note(text);
        io.log(`${text}; trying again in ${pause / 1000} s`);
      });
      const [prepared] = await Promise.all([prepare, preload(host, { prepares: false })]);
      notifier.note(undefined);
      await runForeground(prepared, foreground);
    } else await takeOver(host, begin.body, foreground);
    return unitExitStatus(
      daemons.map((daemon) => daemon.status()),
      asked,
    );
  } catch (error) {
    notifier.note(messageLine(error));
    options.onError(error);
    return unitErrorStatus(
      error,
      daemons.some((daemon) => daemon.status().state === 'failed'),
    );
  } finally {
    loud();
    await notifier.close();
  }
}

async function takeOver(host: Host, body: HandedUnit, io: ForegroundIo): Promise<void> {
  const [app] = body.apps;
  await preload(host, { prepares: false });
  // Before anything of ours can be started: what a daemon is restarted as is unknown to the process before.
  host.handover.endStrays(new Set(app!.units.flatMap(({ daemon }) => daemon.model.pid ?? [])));
  await runInForeground(await unpackRun(host, app!, body.run), io, body);
}

function reexecOf(
  { host, io, version, successor }: UnitOptions,
  environment: ServiceEnvironment,
  notifier: ServiceNotifier,
  before: HandedUnitRun | undefined,
): NonNullable<ForegroundIo['reexec']> {
  const replaced = before === undefined ? 0 : before.replaced + 1;
  let run: MovableRun | undefined;
  const replace = replacer(
    successor,
    (next) => {
      const { supervisor, server } = run!;
      const handOver = (partial?: boolean): HandedUnit | undefined => {
        const handed = supervisor.handOver(partial);
        return handed === undefined ? undefined : { ...handed, unit: { environment, told: notifier.told } };
      };
      const { app, paths, daemon } = run!.about;
      const words = ['--root', paths.root, 'run', '--unit', app, ...(daemon === undefined ? [] : [daemon])];
      return replaceProcess(
        {
          ...{ host, version, replaced, log: io.log },
          lock: { fd: -1 },
          supervisor: { pause: supervisor.pause, resume: supervisor.resume, handOver },
          words: { check: checkWords(paths), takeOver: (fd) => [...words, '--take-over', String(fd)] },
        },
        next,
        server,
      );
    },
    io.log,
  );
  return {
    about: { version, replaced },
    replace(movable, request) {
      run = movable;
      return replace(request);
    },
  };
}

/** A unit is up when all of its daemons are: where one gives up before, it never will be, and whoever waits is told so. */
function stopWhereStartFails(daemon: Daemon, notifier: ServiceNotifier, stop: () => void): void {
  daemon.onEvent(({ type }) => {
    if ((type === 'failed' || type === 'maintenance') && notifier.starting) stop();
  });
}
