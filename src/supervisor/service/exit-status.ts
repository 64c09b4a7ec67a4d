import { EXIT, MetactlError } from '../../util/error.ts';
import type { DaemonStatus } from '../state/types.ts';

/**
 * What `run --unit` ends with. The daemons' own statuses would tell the manager nothing that it could act on: whether a daemon is
 * to be started again has been decided here. Pure.
 * @param asked somebody asked for the end.
 */
export function unitExitStatus(daemons: readonly Pick<DaemonStatus, 'state'>[], asked: boolean): number {
  const gaveUp = daemons.some(({ state }) => state === 'failed' || state === 'maintenance');
  return gaveUp && !asked ? EXIT.gaveUp : EXIT.ok;
}

/**
 * The same where it could not run. What another try can't mend is told from what it may (`Restart=on-failure`): a command
 * that isn't there is given up like a daemon that fails; an app or a daemon that isn't there, or a command line that can't be
 * understood, is a matter of configuration. Pure.
 * @param gaveUp the policy has decided that it is not tried again.
 */
export function unitErrorStatus(error: unknown, gaveUp = false): number {
  // It would be in the way of whoever has the daemon, once a second for ever.
  if (error instanceof MetactlError && error.code === 'METACTL_ALREADY_RUNNING') return EXIT.gaveUp;
  switch (error instanceof MetactlError ? error.exitStatus : EXIT.error) {
    case EXIT.needsRoot:
      return EXIT.needsRoot;
    case EXIT.configuration:
    case EXIT.usage:
    case EXIT.noSuchApp:
      return EXIT.configuration;
    case EXIT.gaveUp:
    case EXIT.notExecutable:
    case EXIT.notFound:
      return EXIT.gaveUp;
    default:
      return gaveUp ? EXIT.gaveUp : EXIT.error;
  }
}
