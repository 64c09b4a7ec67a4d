import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { mergeEvents } from '../../../../src/supervisor/control/ask-events.ts';
import { EventHub, type EventRecord } from '../../../../src/supervisor/control/event-hub.ts';
import { eventsHandler } from '../../../../src/supervisor/control/events-handler.ts';
import type { DaemonEvent, DaemonStatus } from '../../../../src/supervisor/state/types.ts';

const status = { state: 'running' } as DaemonStatus;
const ENDED = { type: 'ended', exit: { status: 0, failed: false, cause: 'exited', uptime: 1 } } as DaemonEvent;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Of each app, how many events are kept. */
function counts(hub: EventHub): Record<string, number> {
  const all: Record<string, number> = {};
  for (const { app } of hub.kept) all[app] = (all[app] ?? 0) + 1;
  return all;
}

it('keeps the last thousand, each with what is worth telling', () => {
  const hub = new EventHub();
  for (let n = 0; n < 1001; n++) hub.add('shop', `web${n % 100}`, { type: 'running', pid: n }, status);
  expect(hub.kept).toHaveLength(1000);
  expect(hub.kept[0]).toMatchObject({
    seq: 2,
    app: 'shop',
    daemon: 'web1',
    event: 'running',
    state: 'running',
    pid: 1,
  });
  const failed = hub.add('shop', 'web', { type: 'start-failed', error: new Error('no') }, status);
  expect(failed).toMatchObject({ event: 'start-failed', error: 'no' });
  expect(hub.warn('shop', 'web', 'careful')).toMatchObject({ event: 'warning', state: null, text: 'careful' });
});

it('lets no app push out what others said, nor a daemon what another of its app said', () => {
  const hub = new EventHub();
  hub.add('calm', 'web', { type: 'ready' }, status);
  hub.add('loud', 'calm', { type: 'ready' }, status);
  for (let n = 0; n < 3000; n++) hub.add('loud', `web${n % 40}`, { type: 'reloading' }, status);
  expect(counts(hub)).toEqual({ calm: 1, loud: 999 });
  expect(hub.kept.slice(0, 2).map(({ daemon }) => daemon)).toEqual(['web', 'calm']);
  for (let n = 0; n < 700; n++) hub.add('other', `web${n % 40}`, { type: 'reloading' }, status);
  expect(counts(hub)).toEqual({ calm: 1, loud: 499, other: 500 });
  const seqs = hub.kept.map(({ seq }) => seq);
  expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
});

it('goes on in the same way behind what another process kept', () => {
  const before = new EventHub();
  before.add('calm', 'web', { type: 'ready' }, status);
  for (let n = 0; n < 2000; n++) before.add('loud', `web${n % 40}`, { type: 'reloading' }, status);
  const hub = new EventHub();
  hub.goOn(before.kept, before.seq);
  expect(hub.add('loud', 'web0', { type: 'ready' }, status)).toMatchObject({ seq: 2002 });
  expect(counts(hub)).toEqual({ calm: 1, loud: 999 });
});

it('tells a hundred events of a daemon, then twenty a minute, and how many it left out', () => {
  const hub = new EventHub();
  const told: EventRecord[] = [];
  hub.listen((record) => told.push(record));
  const flip = (times: number) => {
    for (let n = 0; n < times; n++) hub.add('shop', 'web', { type: 'reloading' }, status);
  };
  flip(1000);
  expect(told).toHaveLength(100);
  expect(hub.warn('shop', 'web', 'careful')).toBeUndefined();
  hub.add('shop', 'db', { type: 'ready' }, status);
  expect(told).toHaveLength(101);
  vi.advanceTimersByTime(60_000);
  const text = '901 more events of it left out, as there are too many; it is running now';
  expect(told.at(-1)).toMatchObject({ daemon: 'web', event: 'note', state: null, text });
  flip(1000);
  expect(told).toHaveLength(122);
  // The last one of all is told in any case, and what comes of somebody's word.
  hub.add('shop', 'web', { type: 'maintenance', reason: 'x' }, status);
  expect(told.at(-1)).toMatchObject({ event: 'maintenance' });
  hub.forgive('shop');
  flip(1000);
  expect(told).toHaveLength(223);
});

it('tells 5000 events of an app, then a hundred a minute', () => {
  const hub = new EventHub();
  let told = 0;
  hub.listen(() => told++);
  for (let n = 0; n < 20_000; n++) hub.add('shop', `web${n % 200}`, { type: 'reloading' }, status);
  expect(told).toBe(5000);
  vi.advanceTimersByTime(60_000);
  for (let n = 0; n < 20_000; n++) hub.add('shop', `web${n % 200}`, { type: 'reloading' }, status);
  expect(told).toBe(5100);
});

it('tells what a daemon says of itself if it has changed, every two seconds at most, and keeps the last', () => {
  const hub = new EventHub();
  const told: unknown[] = [];
  hub.listen(({ event, text }) => told.push(text ?? event));
  const say = (text: string) => hub.add('shop', 'web', { type: 'status-text', text }, status);
  for (let n = 0; n < 5000; n++) say(`${n}`);
  expect(told).toEqual(['0']);
  vi.advanceTimersByTime(2000);
  expect(told).toEqual(['0', '4999']);
  say('4999');
  say('later');
  say('4999');
  vi.advanceTimersByTime(10_000);
  say('new');
  expect(told).toEqual(['0', '4999', 'new']);
  expect(hub.kept.map(({ text }) => text)).toEqual(['new']);
  // What it has said before its end is no news behind it.
  say('last');
  hub.add('shop', 'web', ENDED, status);
  vi.advanceTimersByTime(10_000);
  say('new');
  expect(told.slice(3)).toEqual(['ended', 'new']);
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

it('events of several supervisors are merged by their times, each one’s in the order in which they happened', () => {
  const at = (seq: number, time: string, daemon: string): EventRecord => ({
    ...{ seq, time: `2026-11-26T${time}:00.000Z`, app: 'shop', daemon, event: 'ready', state: 'ready' },
  });
  const seqs = (...lists: (readonly EventRecord[])[]) => mergeEvents(lists).map(({ seq, daemon }) => `${daemon}${seq}`);
  // The clock was set back.
  const own = [at(1, '12:00', 'a'), at(2, '11:00', 'a'), at(3, '11:30', 'a')];
  expect(seqs(own)).toEqual(['a1', 'a2', 'a3']);
  expect(seqs(own, [at(1, '11:10', 'b'), at(2, '12:10', 'b')], [])).toEqual(['b1', 'a1', 'a2', 'a3', 'b2']);
  expect(seqs()).toEqual([]);
});
