import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { afterwards, whenQuiet } from '../../../../src/supervisor/service/quiet.ts';
import type { DaemonEvent, DaemonListener } from '../../../../src/supervisor/state/types.ts';
import { daemonStatus } from './status.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function bench() {
  const listeners = new Set<DaemonListener>();
  const daemon = {
    onEvent(listener: DaemonListener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  let done = 0;
  const stop = whenQuiet([daemon], () => done++);
  const tell = (event: DaemonEvent) => {
    for (const listener of listeners) listener(event, daemonStatus({}));
  };
  return { tell, stop, done: () => done, listeners };
}

it('works a little after something happened, once a minute at most', () => {
  const { tell, done } = bench();
  vi.advanceTimersByTime(100_000);
  expect(done()).toBe(0);
  tell({ type: 'starting', cause: 'manual' });
  vi.advanceTimersByTime(2000);
  tell({ type: 'ready' });
  vi.advanceTimersByTime(2999);
  expect(done()).toBe(0);
  vi.advanceTimersByTime(1);
  expect(done()).toBe(1);
  tell({ type: 'ready' });
  vi.advanceTimersByTime(59_999);
  expect(done()).toBe(1);
  vi.advanceTimersByTime(1);
  expect(done()).toBe(2);
});

it('is not woken by what the app says of itself, nor after its end', () => {
  const { tell, done, stop, listeners } = bench();
  tell({ type: 'status-text', text: 'busy' });
  vi.advanceTimersByTime(10_000);
  expect(done()).toBe(0);
  tell({ type: 'ready' });
  stop();
  vi.advanceTimersByTime(10_000);
  expect(done()).toBe(0);
  expect(listeners.size).toBe(0);
});

it('waits as long as it is told, and once it is ended for ever', () => {
  let done = 0;
  const { happened, end } = afterwards(() => done++, 1000);
  happened();
  vi.advanceTimersByTime(999);
  happened();
  vi.advanceTimersByTime(999);
  expect(done).toBe(0);
  vi.advanceTimersByTime(1);
  expect(done).toBe(1);
  happened();
  end();
  vi.advanceTimersByTime(100_000);
  expect(done).toBe(1);
});
