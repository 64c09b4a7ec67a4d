import { setTimeout as sleep } from 'node:timers/promises';
import { type Driven, requireUp } from '../service/drive.ts';
import { isAbsent } from '../supervisor/control/answer.ts';
import { ask } from '../supervisor/control/client.ts';
import { runSocket } from '../supervisor/control/sockets.ts';
import type { StatusRecord } from '../supervisor/control/status-record.ts';
import { MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { throwFailures } from './lifecycle.ts';

/** Milliseconds that a supervisor may take to listen once its manager says that it runs. */
const PATIENCE = 60_000;
const PAUSE = 100;

/**
 * Waits until daemons are ready whose units were just started, where their manager knows only that the supervisors run: each of them is
 * asked itself, and keeps to `ready.timeout`.
 * @throws MetactlError METACTL_NOT_READY (5), METACTL_START_FAILED (1), or what the manager says of a unit that is not up.
 */
export async function untilReady(
  paths: Paths,
  driven: Driven,
  daemons: readonly { readonly daemon: string; readonly unit: string }[],
): Promise<void> {
  const results = await Promise.allSettled(daemons.map((one) => oneReady(paths, driven, one)));
  throwFailures(results);
}

async function oneReady(
  paths: Paths,
  driven: Driven,
  { daemon, unit }: { readonly daemon: string; readonly unit: string },
): Promise<void> {
  const { app } = driven.installed;
  const path = runSocket(paths, app, daemon);
  const end = performance.now() + PATIENCE;
  for (;;) {
    try {
      const [record] = (await ask(path, 'status', { app, daemon })) as readonly StatusRecord[];
      // A start would have another run of what has done its work.
      if (record !== undefined && !endedWell(record)) {
        if (record.state === 'backoff' || record.state === 'maintenance' || record.state === 'failed')
          throw lost(record);
        await ask(path, 'start', { app, daemon, wait: true });
      }
      return;
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    await requireUp(driven, [unit]);
    if (performance.now() >= end) throw silent(app, daemon);
    await sleep(PAUSE);
  }
}

function endedWell({ state, starts }: StatusRecord): boolean {
  return state === 'stopped' && starts.manual > 0;
}

function lost({ app, daemon, state, reason, lastExit }: StatusRecord): MetactlError {
  const why = reason ?? lastExit?.cause;
  return new MetactlError(`${app}/${daemon} is not up, but ${state}${why === undefined ? '' : `: ${why}`}`, {
    code: 'METACTL_START_FAILED',
    step: 'wait for the daemon',
    hint: `metactl why ${app} tells more`,
  });
}

function silent(app: string, daemon: string): MetactlError {
  return new MetactlError(`${app}/${daemon}: its unit runs, but its supervisor can't be asked whether it is ready`, {
    code: 'METACTL_START_FAILED',
    step: 'wait for the daemon',
    hint: `metactl status ${app} and the log of its unit tell more`,
  });
}
