import { messageLine } from '../util/error.ts';
import { escapeText } from '../util/escape.ts';
import type { DaemonEvent, DaemonStatus } from './state/types.ts';

/**
 * What a person at the terminal must know of an event: failures, restarts, what was ended by force. An ordinary run says
 * nothing. @param stopping whether it was told to stop: then to die of a signal is no news. Pure.
 */
export function eventText(event: DaemonEvent, status: DaemonStatus, stopping: boolean): string | undefined {
  const name = `${status.app}/${status.daemon}`;
  switch (event.type) {
    case 'ended':
      return event.exit.failed && !(stopping && event.exit.status > 128) ? `${name} ${event.exit.cause}` : undefined;
    case 'backoff':
      return event.delay === 0 ? `${name}: restarting` : `${name}: restarting in ${event.delay} ms`;
    case 'start-failed':
      // Of a start by hand it is the error that the command ends with, unless it is tried again.
      return status.starts.automatic === 0 && status.state !== 'backoff'
        ? undefined
        : `${name}: ${messageLine(event.error)}`;
    case 'stopping':
      return event.reason === undefined ? undefined : `${name}: ${escapeText(event.reason)}`;
    case 'degraded':
      return `${name} is not well: ${escapeText(event.reason)}`;
    case 'thread-dump':
      return `${name} does not end: asked for its threads (SIGQUIT)`;
    case 'killing':
      return event.timeout ? `${name} did not end within timeout-stop-sec: killed` : undefined;
    case 'maintenance':
      return `${name}: gave up: ${event.reason}`;
    default:
      return undefined;
  }
}
