import { MetactlError } from '../../util/error.ts';
import { eventsHandler } from '../control/events-handler.ts';
import { GoOn, isMoved } from '../control/moving.ts';
import type { Request } from '../control/protocol.ts';
import type { Conversation, Handler } from '../control/server.ts';
import { reexecHandlers } from '../handover/receive.ts';
import type { BootStarts } from './boot-starts.ts';
import { type Begun, outcomeOf, type Target } from './outcome.ts';
import type { Supervisor } from './supervisor.ts';

export interface HandlerOptions {
  readonly supervisor: Supervisor;
  readonly starts: BootStarts;
  /** What `hello` tells besides what it knows. */
  readonly about: Readonly<Record<string, unknown>>;
  readonly end: () => void;
  /** Replaces this process; see replaceSupervisor. */
  readonly replace: (request: Request) => Promise<never>;
}

/** The verbs of the standalone supervisor. */
export function handlersOf({
  supervisor,
  starts,
  about,
  end,
  replace,
}: HandlerOptions): Readonly<Record<string, Handler>> {
  const hello = () => ({ pid: process.pid, ...about, kind: 'standalone', apps: supervisor.apps() });
  return {
    hello,
    status: (request) => supervisor.status(request.app === undefined ? undefined : targetOf(request)),
    events: eventsHandler(supervisor.events),
    start: telling(supervisor, (target, { boot, began }) => {
      if (boot !== true) starts.forget(target.app);
      return supervisor.start(target, began === true);
    }),
    stop: telling(supervisor, (target, { kill }) => {
      starts.forget(target.app);
      return supervisor.stop(target, kill === true);
    }),
    restart: telling(supervisor, (target) => supervisor.restart(target)),
    reload: (request) => supervisor.reload(targetOf(request)),
    wait: telling(supervisor, async (_target, request) => begunOf(request)),
    async shutdown({ kill }, { send }) {
      const stop = supervisor.events.listen(send);
      starts.forget();
      await supervisor.end(kill === true);
      stop();
      // After the answer.
      setImmediate(end);
    },
    ...reexecHandlers(replace, hello),
  };
}

type Work = (target: Target, request: Request) => Promise<Begun>;

/** A verb that tells what happens to the daemons it is about while it works, and waits for what it has begun. */
function telling(supervisor: Supervisor, work: Work): Handler {
  return async (request: Request, { send, gone }: Conversation) => {
    const target = targetOf(request);
    supervisor.events.forgive(target.app);
    const stop = supervisor.events.listen((record) => {
      if (record.app === target.app && (target.daemon ?? record.daemon) === record.daemon) send(record);
    });
    try {
      const begun = await work(target, request);
      if (request.wait === false) return outcomeOf(begun, 'now');
      try {
        await supervisor.wait(begun, gone);
      } catch (error) {
        if (isMoved(gone)) throw new GoOn({ verb: 'wait', ...begun, daemon: target.daemon });
        throw error;
      }
      return outcomeOf(begun, 'done');
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

/** What another process has begun. @throws MetactlError METACTL_BAD_REQUEST */
function begunOf({ app, until, daemons }: Request): Begun {
  const texts = (one: unknown) =>
    ['daemon', 'now', 'done'].every((key) => typeof (one as Record<string, unknown> | null)?.[key] === 'string');
  if ((until !== 'up' && until !== 'over') || !Array.isArray(daemons) || !daemons.every(texts)) {
    throw new MetactlError('the request does not say what to wait for', { code: 'METACTL_BAD_REQUEST' });
  }
  return { app: app as string, until, daemons };
}
