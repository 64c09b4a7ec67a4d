import type { EventHub, EventRecord } from './event-hub.ts';
import type { Handler } from './server.ts';

/**
 * The verb `events`: those that are kept, or the last `last` of them, and with `follow` all that come until the client goes.
 * `app` and `daemon` choose. Between past and present comes a `null`.
 */
export function eventsHandler(hub: EventHub): Handler {
  return async ({ app, daemon, follow, last }, { send, gone }) => {
    const wanted = (record: EventRecord) =>
      (app === undefined || record.app === app) && (daemon === undefined || record.daemon === daemon);
    const kept = hub.kept.filter(wanted);
    for (const record of typeof last === 'number' ? kept.slice(Math.max(kept.length - last, 0)) : kept) send(record);
    send(null);
    if (follow !== true) return;
    const stop = hub.listen((record) => {
      if (wanted(record)) send(record);
    });
    await new Promise<void>((resolve) => {
      if (gone.aborted) resolve();
      else gone.addEventListener('abort', () => resolve(), { once: true });
    });
    stop();
  };
}
