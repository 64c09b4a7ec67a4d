import { expect, it } from 'vitest';
import { EventHub } from '../../../../src/supervisor/control/event-hub.ts';
import { eventsHandler } from '../../../../src/supervisor/control/events-handler.ts';
import type { DaemonStatus } from '../../../../src/supervisor/state/types.ts';

const status = { state: 'running' } as DaemonStatus;

it('keeps the last thousand, each with what is worth telling', () => {
  const hub = new EventHub();
  for (let n = 0; n < 1001; n++) hub.add('shop', 'web', { type: 'running', pid: n }, status);
  expect(hub.kept).toHaveLength(1000);
  expect(hub.kept[0]).toMatchObject({ seq: 2, app: 'shop', daemon: 'web', event: 'running', state: 'running', pid: 1 });
  const failed = hub.add('shop', 'web', { type: 'start-failed', error: new Error('no') }, status);
  expect(failed).toMatchObject({ event: 'start-failed', error: 'no' });
  expect(hub.warn('shop', 'web', 'careful')).toMatchObject({ event: 'warning', state: null, text: 'careful' });
});

it('tells the past, then a null, then what comes, until the client goes', async () => {
  const hub = new EventHub();
  for (const app of ['a', 'b', 'a']) hub.add(app, 'web', { type: 'ready' }, status);
  const sent: unknown[] = [];
  const gone = new AbortController();
  const conversation = { send: (event: unknown) => sent.push(event), gone: gone.signal };
  const done = eventsHandler(hub)({ v: 1, id: 1, verb: 'events', app: 'a', last: 1, follow: true }, conversation);
  hub.add('b', 'web', { type: 'stopped' }, status);
  hub.add('a', 'web', { type: 'stopped' }, status);
  gone.abort();
  await done;
  hub.add('a', 'web', { type: 'ready' }, status);
  expect(sent.map((event) => (event as { seq?: number } | null)?.seq ?? null)).toEqual([3, null, 5]);
});
