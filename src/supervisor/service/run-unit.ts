import type { Host } from '../../host/host.ts';
import { type ForegroundIo, runForeground } from '../foreground.ts';
import type { Prepared } from '../prepare.ts';
import type { Daemon } from '../state/types.ts';
import type { ServiceEnvironment } from './environment.ts';
import { unitExitStatus } from './exit-status.ts';
import { ServiceNotifier } from './notifier.ts';
import { whenQuiet } from './quiet.ts';

export interface UnitOptions {
  readonly host: Pick<Host, 'logs' | 'preload' | 'releaseMemory'>;
  readonly environment: ServiceEnvironment;
  readonly io: Pick<ForegroundIo, 'stdout' | 'stderr' | 'log'>;
  readonly prepare: () => Promise<Prepared>;
}

/**
 * Runs an app, or one daemon of it, as a unit of a service manager, which is told how it is.
 * @returns the exit status for the manager, see `unitExitStatus`. @throws MetactlError where it could not run.
 */
export async function runUnit({ host, environment, io, prepare }: UnitOptions): Promise<number> {
  const notifier = new ServiceNotifier({ host: host.logs, environment, log: io.log });
  let daemons: readonly Daemon[] = [];
  let asked = false;
  let loud = () => {};
  try {
    // What is installed may be replaced while it runs.
    const [prepared] = await Promise.all([prepare(), host.preload()]);
    await runForeground(prepared, {
      ...io,
      journal: environment.journal,
      watcher: {
        begin(all, stop) {
          daemons = all;
          for (const daemon of all) stopWhereStartFails(daemon, notifier, stop);
          notifier.begin(all);
          loud = whenQuiet(all, () => host.releaseMemory('all'));
        },
        stopping() {
          asked = true;
          loud();
          notifier.stopping();
        },
        reloading: (done) => notifier.reloading(done),
      },
    });
    return unitExitStatus(
      daemons.map((daemon) => daemon.status()),
      asked,
    );
  } catch (error) {
    notifier.note((error as Error).message);
    throw error;
  } finally {
    loud();
    await notifier.close();
  }
}

/** A unit is up when all of its daemons are: where one gives up before, it never will be, and whoever waits is told so. */
function stopWhereStartFails(daemon: Daemon, notifier: ServiceNotifier, stop: () => void): void {
  daemon.onEvent(({ type }) => {
    if ((type === 'failed' || type === 'maintenance') && notifier.starting) stop();
  });
}
