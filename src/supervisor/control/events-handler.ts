import type { EventHub, EventRecord } from './event-hub.ts';
import { GoOn, isMoved } from './moving.ts';
import type { Handler } from './server.ts';

/**
 * The verb `events`: those that are kept, or the last `last` of them, and with `follow` all that come until the client goes.
 * `app` and `daemon` choose. Between past and present comes a `null`. With `after` only those behind that number: whoever asks
 * so has heard the others, and the `null`, from the process before.
 */
export function eventsHandler(hub: EventHub): Handler {
  return async (request, { send, gone }) => {
    const { app, daemon, follow, last, after } = request;
    const wanted = (record: EventRecord) =>
      (app === undefined || record.app === app) && (daemon === undefined || record.daemon === daemon);
    const kept = hub.kept.filter((record) => wanted(record) && !(typeof after === 'number' && record.seq <= after));
    for (const record of typeof last === 'number' ? kept.slice(Math.max(kept.length - last, 0)) : kept) send(record);
    if (after === undefined) send(null);
    if (follow !== true) return;
    const stop = hub.listen((record) => {
      if (wanted(record)) send(record);
    });
    await new Promise<void>((resolve) => {
      if (gone.aborted) resolve();
      else gone.addEventListener('abort', () => resolve(), { once: true });
    });
    stop();
    if (isMoved(gone)) throw new GoOn({ verb: 'events', app, daemon, follow, after: hub.seq });
  };
}
