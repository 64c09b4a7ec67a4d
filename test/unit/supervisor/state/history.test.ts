import { describe, expect, it } from 'vitest';
import { withHistory } from '../../../../src/supervisor/state/model.ts';
import { FakeClock, fakeDaemon, settle } from './fake-handle.ts';
import { Bench, SETTINGS } from './machine-helper.ts';

/** What is known of a daemon beyond one run, and beyond one configuration. */

describe('the next daemon of a name', () => {
  it('remembers starts and the last exit, and nothing else', async () => {
    const clock = new FakeClock();
    const before = fakeDaemon('web', clock);
    before.daemon.start();
    await settle();
    before.sandboxes[0]!.end({ signal: 11 });
    await settle();
    await clock.pass(200);
    expect(before.daemon.status()).toMatchObject({ state: 'running', restarts: 1 });
    before.sandboxes[1]!.end({ signal: 11 });
    await settle();
    before.daemon.stop();
    const after = fakeDaemon('web', clock);
    after.daemon.remember(before.daemon);
    const { lastExit } = before.daemon.status();
    expect(lastExit).toMatchObject({ failed: true, status: 139 });
    const history = { starts: { manual: 1, automatic: 1 }, lastExit };
    expect(after.daemon.status()).toMatchObject({ state: 'stopped', restarts: 0, done: false, ...history });
    after.daemon.start();
    await settle();
    expect(after.daemon.status()).toMatchObject({
      ...{ state: 'running', restarts: 0, lastExit },
      starts: { manual: 2, automatic: 1 },
    });
  });

  it('begins its policy anew', () => {
    const restart = { ...SETTINGS.restart, startLimitBurst: 2 };
    const before = new Bench({ restart }).start().run();
    for (let i = 0; i < 2; i++) before.end().pass(1000).run();
    expect(before.end().state).toBe('maintenance');
    const after = new Bench({ restart });
    after.model = withHistory(after.model, before.model);
    expect(after.start().run().end().state).toBe('backoff');
    expect(after.model).toMatchObject({ failures: 1, restarts: 0, manualStarts: 2, automaticStarts: 2 });
  });
});

describe('a daemon has done its work', () => {
  it('where it ended by itself, and well, until it is started again', () => {
    const bench = new Bench().start().run();
    expect(bench.end({ code: 0 }).status).toMatchObject({ state: 'stopped', done: true });
    expect(bench.start().status.done).toBe(false);
    expect(bench.run().end({ code: 1 }).status.done).toBe(false);
    expect(bench.pass(1000).run().end({ code: 0 }).status.done).toBe(true);
  });

  it('not where it was told to end, or failed', () => {
    expect(new Bench().start().run().stop().end({ code: 0 }).status).toMatchObject({ state: 'stopped', done: false });
    const no = { ...SETTINGS.restart, restart: 'no' } as const;
    expect(new Bench({ restart: no }).start().run().end({ code: 1 }).status.done).toBe(false);
    const waiting = new Bench()
      .start()
      .run()
      .end({ code: 0 })
      .input({ type: 'start', waitFor: ['db'] });
    expect(waiting.stop().status).toMatchObject({ state: 'stopped', done: false });
  });
});
