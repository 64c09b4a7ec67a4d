import { requireAppName } from '../../config/names.ts';
import type { Paths } from '../../util/paths.ts';
import { isAbsent, noSupervisor } from './answer.ts';
import { ask } from './client.ts';
import type { EventRecord } from './event-hub.ts';
import { controlSocket, runSockets } from './sockets.ts';

export interface EventsRequest {
  readonly app: string | undefined;
  readonly daemon: string | undefined;
  readonly last: number;
  readonly follow: boolean;
}

/**
 * The events of every supervisor of this node: the past in the order of its times, then, with `follow`, what happens until
 * all of them have ended. @throws MetactlError METACTL_NO_SUPERVISOR (3) where there is none.
 */
export async function askEvents(
  paths: Paths,
  { app, daemon, last, follow }: EventsRequest,
  show: (record: EventRecord) => void,
): Promise<void> {
  if (app !== undefined) requireAppName(app);
  const foreground = runSockets(paths, app).filter((one) => (daemon ?? one.daemon) === one.daemon);
  const sockets = [controlSocket(paths), ...foreground.map(({ path }) => path)];
  const request = { last, follow, ...(app === undefined ? {} : { app }), ...(daemon === undefined ? {} : { daemon }) };
  const past: EventRecord[] = [];
  let open = sockets.length;
  // Nothing is shown before all have told their past.
  const arrived = () => {
    if (--open > 0) return;
    past.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.seq - b.seq));
    for (const record of past.slice(Math.max(past.length - last, 0))) show(record);
  };
  const answers = await Promise.all(
    sockets.map(async (path) => {
      let told = false;
      const tell = () => {
        if (!told) arrived();
        told = true;
      };
      const onEvent = (event: unknown) => {
        if (event === null) tell();
        else if (open > 0) past.push(event as EventRecord);
        else show(event as EventRecord);
      };
      try {
        await ask(path, 'events', request, { onEvent });
        return true;
      } catch (error) {
        if (isAbsent(error)) return false;
        // Its end is the end of its events.
        if (follow && (error as { code?: string }).code === 'METACTL_SUPERVISOR_ENDED') return true;
        throw error;
      } finally {
        tell();
      }
    }),
  );
  if (!answers.includes(true)) throw noSupervisor(controlSocket(paths));
}
