import { expect, it } from 'vitest';
import type { HandedDaemon } from '../../../../src/supervisor/state/supervised.ts';
import { FakeClock, type FakeDaemon, fakeDaemon, settle } from './fake-handle.ts';

/** As the next process has it, whose clock begins anew; what it took over has run `sandboxes` of the first one's. */
async function next(before: FakeDaemon, clock: FakeClock): Promise<{ after: FakeDaemon; clock: FakeClock }> {
  const handed: HandedDaemon = structuredClone(before.daemon.handOver());
  const later = new FakeClock();
  const after = fakeDaemon('web', later);
  after.sandboxes.push(...before.sandboxes);
  after.daemon.goOn(handed, later.now() - clock.now());
  await settle();
  return { after, clock: later };
}

it('a daemon that runs goes on running: pid, uptime, counts and what its end means', async () => {
  const first = new FakeClock();
  const before = fakeDaemon('web', first);
  before.daemon.start();
  await settle();
  await first.pass(40_000);
  const { after, clock } = await next(before, first);
  expect(after.daemon.status()).toMatchObject({ state: 'running', pid: 100, uptime: 40_000, restarts: 0 });
  await clock.pass(5);
  expect(after.daemon.status().uptime).toBe(40_005);
  after.sandboxes[0]!.end({ code: 1 });
  await settle();
  // It was stable, so the restart is immediate.
  expect(after.daemon.status()).toMatchObject({ state: 'running', pid: 101, restarts: 1 });
  expect(after.daemon.status().lastExit).toMatchObject({ uptime: 40_005, status: 1 });
});

it('a pause before a restart is as long as it would have been', async () => {
  const first = new FakeClock();
  const before = fakeDaemon('web', first, {});
  before.daemon.start();
  await settle();
  for (let i = 0; i < 4; i++) {
    before.sandboxes.at(-1)!.end({ code: 1 });
    await settle();
    if (i < 3) await first.pass(3000);
  }
  const { nextRetry } = before.daemon.status();
  const left = nextRetry! - first.wall();
  await first.pass(left - 300);
  const { after, clock } = await next(before, first);
  expect(after.daemon.status()).toMatchObject({ state: 'backoff', restarts: 3 });
  await clock.pass(299);
  expect(after.daemon.status().state).toBe('backoff');
  await clock.pass(1);
  expect(after.daemon.status()).toMatchObject({ state: 'running', restarts: 4 });
});

it('a stop takes no longer than it would have', async () => {
  const first = new FakeClock();
  const before = fakeDaemon('web', first);
  before.daemon.start();
  await settle();
  before.sandboxes[0]!.stubborn = true;
  before.daemon.stop();
  await first.pass(29_000);
  const { after, clock } = await next(before, first);
  expect(after.daemon.status().state).toBe('stopping');
  await clock.pass(999);
  expect(after.daemon.status().state).toBe('stopping');
  await clock.pass(1);
  expect(after.daemon.status()).toMatchObject({ state: 'stopped', lastExit: { status: 137 } });
});

it('what was about to be launched is launched', async () => {
  const first = new FakeClock();
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const before = fakeDaemon(
    'web',
    first,
    {},
    { handle: { start: () => gate.then(() => Promise.reject(new Error('too late'))), takeUp: () => undefined } },
  );
  before.daemon.start();
  await settle();
  expect(before.daemon.isSteady).toBe(true);
  const { after } = await next(before, first);
  expect(after.daemon.status()).toMatchObject({ state: 'running', starts: { manual: 1, automatic: 0 } });
  expect(after.sandboxes).toHaveLength(1);
  go();
});

it('it is not steady between an end and what follows from it', async () => {
  const clock = new FakeClock();
  let tell = () => {};
  const killedFor = () =>
    new Promise<string>((resolve) => {
      tell = () => resolve('ptrace');
    });
  const { daemon, sandboxes } = fakeDaemon('web', clock, {}, { killedFor });
  daemon.start();
  await settle();
  expect(daemon.isSteady).toBe(true);
  sandboxes[0]!.end({ signal: 31 });
  await settle();
  expect(daemon.isSteady).toBe(false);
  tell();
  await settle();
  expect(daemon.isSteady).toBe(true);
});
