import { expect, it } from 'vitest';
import { untilDone } from '../../../../src/supervisor/standalone/outcome.ts';
import type { Unit } from '../../../../src/supervisor/standalone/unit.ts';
import type { DaemonListener, DaemonStatus } from '../../../../src/supervisor/state/types.ts';

/** A unit of a daemon that says what it is told to. */
function fakeUnit(name: string, first: Partial<DaemonStatus>) {
  const listeners = new Set<DaemonListener>();
  let now = { app: 'shop', daemon: name, state: 'starting', ready: false, ...first } as DaemonStatus;
  const daemon = {
    status: () => now,
    onEvent(listener: DaemonListener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const tell = (status: Partial<DaemonStatus>, event: object) => {
    now = { ...now, ...status };
    for (const listener of listeners) listener(event as Parameters<DaemonListener>[0], now);
  };
  return { unit: { daemon } as unknown as Unit, tell, listeners };
}

const late = { type: 'stopping', reason: 'not ready within 3s' };
const backoff = { type: 'backoff', delay: 100, restarts: 1 };

it('a start ends where one was not ready in time and another waits for it', async () => {
  const db = fakeUnit('db', { pid: 7 });
  const web = fakeUnit('web', { statusText: 'waits for db' });
  const done = untilDone([db.unit, web.unit], 'up', () => false);
  db.tell({ state: 'stopping' }, late);
  db.tell({ state: 'backoff' }, backoff);
  await expect(done).rejects.toMatchObject({
    message: 'shop/db was not ready: not ready within 3s\nshop/web is not up: it waits for db',
    code: 'METACTL_NOT_READY',
    exitStatus: 5,
  });
  expect([db.listeners.size, web.listeners.size]).toEqual([0, 0]);
});

it('what is still on its way is waited for', async () => {
  const db = fakeUnit('db', { pid: 7 });
  const cache = fakeUnit('cache', { pid: 8 });
  const web = fakeUnit('web', { statusText: 'waits for cache' });
  const done = untilDone([db.unit, cache.unit, web.unit], 'up', () => false);
  let over = false;
  const told = done.then(
    () => expect.unreachable(),
    (error: Error) => {
      over = true;
      return error.message;
    },
  );
  db.tell({ state: 'stopping' }, late);
  db.tell({ state: 'backoff' }, backoff);
  await new Promise((resolve) => setImmediate(resolve));
  expect(over).toBe(false);
  cache.tell({ state: 'ready', ready: true }, { type: 'ready' });
  web.tell({ state: 'running', pid: 9, statusText: undefined }, { type: 'running', pid: 9 });
  expect(await told).toBe('shop/db was not ready: not ready within 3s');
});
