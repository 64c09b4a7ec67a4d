import { MetactlError } from '../../util/error.ts';
import { eventsHandler } from '../control/events-handler.ts';
import type { Request } from '../control/protocol.ts';
import type { Conversation, Handler } from '../control/server.ts';
import type { Outcome, Supervisor, Target } from './supervisor.ts';

/** The verbs of the standalone supervisor. */
export function handlersOf(
  supervisor: Supervisor,
  version: string,
  end: () => void,
): Readonly<Record<string, Handler>> {
  return {
    hello: () => ({ pid: process.pid, version, kind: 'standalone', apps: supervisor.apps() }),
    status: (request) => supervisor.status(request.app === undefined ? undefined : targetOf(request)),
    events: eventsHandler(supervisor.events),
    start: telling(supervisor, (target, wait, gone) => supervisor.start(target, wait, gone)),
    stop: telling(supervisor, (target, wait, gone) => supervisor.stop(target, wait, gone)),
    restart: telling(supervisor, (target, wait, gone) => supervisor.restart(target, wait, gone)),
    reload: telling(supervisor, (target) => supervisor.reload(target)),
    async shutdown(_request, { send }) {
      const stop = supervisor.events.listen(send);
      await supervisor.end();
      stop();
      // After the answer.
      setImmediate(end);
    },
  };
}

type Work = (target: Target, wait: boolean, gone: AbortSignal) => Promise<Outcome>;

/** A verb that tells what happens to the daemons it is about while it works. */
function telling(supervisor: Supervisor, work: Work): Handler {
  return async (request: Request, { send, gone }: Conversation) => {
    const target = targetOf(request);
    const stop = supervisor.events.listen((record) => {
      if (record.app === target.app && (target.daemon ?? record.daemon) === record.daemon) send(record);
    });
    try {
      return await work(target, request.wait !== false, gone);
    } finally {
      stop();
    }
  };
}

/** @throws MetactlError METACTL_BAD_REQUEST where the request has no app, or a daemon that is no text. */
export function targetOf({ app, daemon }: Request): Target {
  if (typeof app !== 'string' || (daemon !== undefined && typeof daemon !== 'string')) {
    throw new MetactlError('the request has no app, or a daemon that is no text', { code: 'METACTL_BAD_REQUEST' });
  }
  return { app, daemon };
}
