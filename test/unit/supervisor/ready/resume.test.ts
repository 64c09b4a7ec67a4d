import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Sandbox } from '../../../../src/host/host.ts';
import type { Notification, NotifySocket } from '../../../../src/host/notify.ts';
import type { Inside } from '../../../../src/supervisor/ready/inside.ts';
import { type ResumedReadiness, watchReadiness } from '../../../../src/supervisor/ready/readiness.ts';
import type { ReadinessSettings } from '../../../../src/supervisor/ready/settings.ts';
import type { HandedReadiness, ReadinessReport } from '../../../../src/supervisor/state/types.ts';

/** A watch goes on in another process, whose clock begins with 0: what began before has a negative time there. */

beforeEach(newClock);
afterEach(() => {
  vi.useRealTimers();
});

function newClock(): void {
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
}

const NOTIFIED: ReadinessSettings = {
  ready: { kind: 'notify' },
  readyTimeout: 3000,
  health: undefined,
  watchdog: undefined,
  store: 0,
};
const UNWELL: ReadinessSettings['health'] = {
  probe: { kind: 'exec', argv: ['/bin/false'] },
  ...{ interval: 20, timeout: 1000, threshold: 2, grace: 0, action: 'restart' },
};

interface Watched {
  readonly reports: ReadinessReport[];
  say(text: string): void;
  handOver(): HandedReadiness;
  close(): void;
}

/** A daemon whose health probe always fails. @param started whether it has been executed. */
async function watched(settings: ReadinessSettings, resumed?: ResumedReadiness, started = true): Promise<Watched> {
  let hear: (notification: Notification) => void = () => {};
  const notify = {
    listen: (_pid: number, listener: typeof hear) => (hear = listener),
    executed: () => {},
  } as unknown as NotifySocket;
  const inside: Inside = {
    addresses: [],
    connect: () => {
      throw new Error('nothing is to be connected to');
    },
    run: async () => 'ended with status 1',
    close: () => {},
  };
  const watch = watchReadiness(
    settings,
    { inside: async () => inside, notify, hostPid: () => undefined, log: () => {} },
    resumed,
  );
  const reports: ReadinessReport[] = [];
  const run = started ? Promise.resolve() : new Promise<void>(() => {});
  watch.watch({ started: run } as Sandbox, (report) => reports.push(report));
  await vi.advanceTimersByTimeAsync(0);
  return {
    reports,
    say: (text) => hear({ text: Buffer.from(text), pid: 1, descriptors: 0, keep: () => 0 } as unknown as Notification),
    handOver: () => watch.handOver(),
    close: () => watch.close(),
  };
}

/** Another process takes its place. */
async function replaced(before: Watched, settings: ReadinessSettings): Promise<Watched> {
  const handed = structuredClone(before.handOver());
  before.close();
  const then = performance.now();
  newClock();
  return watched(settings, { handed, by: performance.now() - then });
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
/** The pauses of the health probe are real ones. */
async function untilAsked({ reports }: Watched): Promise<void> {
  for (let i = 0; i < 200 && reports.every(({ type }) => type !== 'failed'); i++) {
    await pass(10);
    await sleep(10);
  }
}
const types = ({ reports }: Watched) => reports.map(({ type }) => type);

it('one that is ready after a replacement has its watchdog', async () => {
  const settings = { ...NOTIFIED, watchdog: 2000 };
  const first = await watched(settings);
  await pass(1000);
  const next = await replaced(first, settings);
  await pass(1000);
  next.say('READY=1');
  await pass(1999);
  expect(types(next)).toEqual(['ready']);
  await pass(2);
  expect(types(next)).toEqual(['ready', 'watchdog']);
  next.close();
});

it('one that is ready after a replacement has its health probe', async () => {
  const settings = { ...NOTIFIED, health: UNWELL };
  const first = await watched(settings);
  await pass(1000);
  const next = await replaced(first, settings);
  next.say('READY=1');
  await untilAsked(next);
  expect(next.reports).toEqual([
    { type: 'ready' },
    { type: 'failed', reason: 'not well 2 times in a row: ended with status 1' },
  ]);
  next.close();
});

it('one that asks for more time gets it after a replacement, and no more than its configuration could have given it', async () => {
  let watch = await watched(NOTIFIED);
  let asked = 0;
  for (; !types(watch).includes('failed') && asked < 30_000; asked++) {
    await pass(100);
    watch.say('EXTEND_TIMEOUT_USEC=2000000');
    if (asked % 1000 === 7) watch = await replaced(watch, NOTIFIED);
  }
  expect(asked / 10 / 60).toBeCloseTo(30, 1);
  expect(watch.reports.find(({ type }) => type === 'failed')).toMatchObject({
    reason: expect.stringMatching(/^not ready within (30min|180\d{4}ms)$/),
  });
  watch.close();
});

it('one that has been ready when it was replaced goes on where it was', async () => {
  const settings = { ...NOTIFIED, watchdog: 2000, health: UNWELL };
  const first = await watched(settings);
  first.say('READY=1');
  await pass(1500);
  const next = await replaced(first, settings);
  await pass(499);
  expect(types(next)).toEqual([]);
  await pass(2);
  expect(types(next)).toEqual(['watchdog']);
  await untilAsked(next);
  expect(types(next)).toEqual(['watchdog', 'failed']);
  next.close();
});

it('a watchdog that it began itself before it was ready goes on counting', async () => {
  const first = await watched(NOTIFIED);
  first.say('WATCHDOG_USEC=2000000');
  await pass(1500);
  const next = await replaced(first, NOTIFIED);
  await pass(499);
  expect(types(next)).toEqual([]);
  await pass(2);
  expect(types(next)).toEqual(['watchdog']);
  next.close();
});

it('one that is replaced before it is executed begins then', async () => {
  const settings = { ...NOTIFIED, watchdog: 2000 };
  const first = await watched(settings, undefined, false);
  first.say('READY=1');
  await pass(1500);
  const next = await replaced(first, settings);
  await pass(1999);
  expect(types(next)).toEqual([]);
  await pass(2);
  expect(types(next)).toEqual(['watchdog']);
  next.close();
});

it('a clock that shows 0 when it is executed is a clock like any other', async () => {
  const settings = { ...NOTIFIED, watchdog: 2000 };
  const watch = await watched(settings);
  watch.say('EXTEND_TIMEOUT_USEC=5000000');
  await pass(4000);
  expect(types(watch)).toEqual(['extend']);
  watch.say('READY=1');
  await pass(2001);
  expect(types(watch)).toEqual(['extend', 'ready', 'watchdog']);
  watch.close();
});
