import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Sandbox } from '../../../../src/host/host.ts';
import type { Notification, NotifySocket } from '../../../../src/host/notify.ts';
import { watchReadiness } from '../../../../src/supervisor/ready/readiness.ts';
import type { ReadinessReport } from '../../../../src/supervisor/state/types.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const MINUTE = 60_000;

/** A daemon that asks for more time every ten seconds. @returns what is told of it at last. */
async function drawnOut(readyTimeout: number): Promise<ReadinessReport | undefined> {
  let hear: (notification: Notification) => void = () => {};
  const notify = {
    listen: (_pid: number, listener: typeof hear) => (hear = listener),
    executed: () => {},
  } as unknown as NotifySocket;
  const reports: ReadinessReport[] = [];
  const watch = watchReadiness(
    { ready: { kind: 'notify' }, readyTimeout, health: undefined, watchdog: undefined, store: 0 },
    { inside: async () => undefined, notify, hostPid: () => undefined, log: () => {} },
  );
  watch.watch({ started: Promise.resolve() } as Sandbox, (report) => reports.push(report));
  await vi.advanceTimersByTimeAsync(0);
  const begun = performance.now();
  const text = Buffer.from('EXTEND_TIMEOUT_USEC=18446744073709551615');
  while (!reports.some(({ type }) => type === 'failed') && performance.now() - begun < 120 * MINUTE) {
    hear({ text, pid: 1, descriptors: 0, keep: () => 0 } as unknown as Notification);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  watch.close();
  return reports.at(-1);
}

it('a start takes at most half an hour by asking for more time, or ready.timeout where that is more', async () => {
  expect(await drawnOut(90_000)).toMatchObject({
    reason: expect.stringMatching(/^not ready within (30min|180000\dms)$/),
  });
  expect(await drawnOut(60 * MINUTE)).toMatchObject({
    reason: expect.stringMatching(/^not ready within (1h|360000\dms)$/),
  });
});
