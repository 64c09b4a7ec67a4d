import { setTimeout as sleep } from 'node:timers/promises';
import { requireAppName } from '../../config/names.ts';
import { MetactlError } from '../../util/error.ts';
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
 * The events of every supervisor of this node: the past, then, with `follow`, what happens until all of them have ended.
 * @param lost called with the error where one that is followed goes without a word; the others are followed on.
 * @throws MetactlError METACTL_NO_SUPERVISOR (3) where there is none.
 */
export async function askEvents(
  paths: Paths,
  { app, daemon, last, follow }: EventsRequest,
  show: (record: EventRecord) => void,
  lost: (error: MetactlError) => void = () => {},
): Promise<void> {
  if (app !== undefined) requireAppName(app);
  const foreground = runSockets(paths, app).filter((one) => (daemon ?? one.daemon) === one.daemon);
  const sockets = [controlSocket(paths), ...foreground.map(({ path }) => path)];
  const request = { last, follow, ...(app === undefined ? {} : { app }), ...(daemon === undefined ? {} : { daemon }) };
  const pasts: EventRecord[][] = [];
  let open = sockets.length;
  // Nothing is shown before all have told their past.
  const arrived = () => {
    if (--open > 0) return;
    const past = mergeEvents(pasts);
    for (const record of past.slice(Math.max(past.length - last, 0))) show(record);
  };
  const answers = await Promise.all(
    sockets.map(async (path) => {
      let told = false;
      const past: EventRecord[] = [];
      pasts.push(past);
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
        if (!follow || (error as { code?: string }).code !== 'METACTL_SUPERVISOR_ENDED') throw error;
        // One that ends by itself answers.
        lost(await lostError(path));
        return true;
      } finally {
        tell();
      }
    }),
  );
  if (!answers.includes(true)) throw noSupervisor(controlSocket(paths));
}

/** Each list as it is, since its order is that in which things happened, whatever the clock was set to; lists by times. Pure. */
export function mergeEvents(lists: readonly (readonly EventRecord[])[]): readonly EventRecord[] {
  const left = lists.filter((list) => list.length > 0).map((list) => ({ list, at: 0 }));
  const merged: EventRecord[] = [];
  while (left.length > 1) {
    const next = left.reduce((best, one) => (one.list[one.at]!.time < best.list[best.at]!.time ? one : best));
    merged.push(next.list[next.at++]!);
    if (next.at === next.list.length) left.splice(left.indexOf(next), 1);
  }
  for (const { list, at } of left) merged.push(...list.slice(at));
  return merged;
}

/** Milliseconds that a process takes to end: its listening socket may be closed after the connection. */
const ENDS = 1000;

/** A connection that broke: it is asked whether there still is a supervisor. */
async function lostError(path: string): Promise<MetactlError> {
  const code = 'METACTL_SUPERVISOR_ENDED';
  if (await isGone(path)) {
    return new MetactlError('the supervisor went without a word: it was killed or crashed; what it ran ended with it', {
      ...{ code, path },
      hint: '`dmesg` and /var/log/metactl/supervisor.log may tell what ended it; `metactl start APP` starts another',
    });
  }
  const why = 'another one runs by now, or too many events were left unread';
  return new MetactlError(`the connection to the supervisor was lost: ${why}`, {
    ...{ code, path },
    hint: '`metactl events` shows those that are kept',
  });
}

async function isGone(path: string): Promise<boolean> {
  for (const end = performance.now() + ENDS; performance.now() < end; await sleep(PAUSE)) {
    try {
      await ask(path, 'hello');
      return false;
    } catch (error) {
      if (isAbsent(error)) return true;
    }
  }
  return false;
}

const PAUSE = 20;
