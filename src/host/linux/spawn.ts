import { closeSync } from 'node:fs';
import type { Identity, RootPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { StdioPlan } from '../host.ts';
import { addon, type SpawnOptions } from './addon.ts';
import { launchError } from './launch-error.ts';
import { nativeFiles, privateLiveness } from './native-files.ts';
import { openStdio } from './stdio.ts';
import { type LaunchedSandbox, watchSandbox } from './watch.ts';

export interface SpawnRequest {
  /** What goes to the addon as it is. */
  readonly native: Omit<SpawnOptions, 'init' | 'stdin' | 'stdout' | 'stderr' | 'liveness' | 'ready'>;
  readonly stdio: StdioPlan;
  /** Owner of the pipes, so that the app can open /dev/stdout and /dev/stderr. */
  readonly owner: Pick<Identity, 'uid' | 'gid'>;
  /**
   * SIGKILL to metactl-init would not end what it watches (or leave it to the host's init to reap): it gets a liveness
   * pipe of its own, whose end is the order to end everything.
   */
  readonly endByLiveness: boolean;
  /** The daemon gets a pipe to tell by that it is ready. */
  readonly tellsReady?: boolean;
  readonly leftOut: RootPlan['leftOut'];
  readonly oomKilled: () => boolean;
}

/** Failures before metactl-init's first instruction are told like those after it. */
function describe(error: unknown, leftOut: SpawnRequest['leftOut']): unknown {
  if (!(error instanceof MetactlError) || error.errno === undefined) return error;
  const { errno, step = '', syscall = '', path = '' } = error;
  return launchError({ errno, step, syscall, path, exitStatus: EXIT.sandbox }, leftOut);
}

/** Starts metactl-init and follows it. Everything opened here is closed again, also on failure. */
export function spawnInit(request: SpawnRequest): LaunchedSandbox {
  const files = nativeFiles();
  const stdio = openStdio(request.stdio, request.owner, request.tellsReady === true);
  const liveness = request.endByLiveness ? privateLiveness() : undefined;
  try {
    const spawned = addon().spawn({
      ...request.native,
      init: files.init,
      stdin: stdio.stdin,
      stdout: stdio.stdout,
      stderr: stdio.stderr,
      ...(stdio.ready === undefined ? {} : { ready: stdio.ready }),
      liveness: liveness?.read ?? files.liveness,
    });
    return watchSandbox(spawned, {
      leftOut: request.leftOut,
      oomKilled: request.oomKilled,
      ...stdio.streams(),
      ...(liveness === undefined ? {} : { end: liveness.end }),
    });
  } catch (error) {
    liveness?.end();
    stdio.discard();
    throw describe(error, request.leftOut);
  } finally {
    if (liveness !== undefined) closeSync(liveness.read);
  }
}
