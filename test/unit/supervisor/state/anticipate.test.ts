import { describe, expect, it } from 'vitest';
import type { Anticipation } from '../../../../src/host/anticipation.ts';
import type { Ending } from '../../../../src/host/host.ts';
import { decide, immediateEndings } from '../../../../src/supervisor/state/restart-policy.ts';
import { FakeClock, fakeDaemon, settle } from './fake-handle.ts';
import { ending, SETTINGS } from './machine-helper.ts';

const RESTART = SETTINGS.restart;

describe('ends after which the next start is immediate', () => {
  it.each([
    { restart: 'no' as const },
    { restart: 'on-failure' as const },
    { restart: 'always' as const },
    { successExitStatus: ['3', 'SIGKILL', '143'] },
    { restart: 'always' as const, restartPreventExitStatus: ['0', '7', 'SIGABRT'] },
    { restartPreventExitStatus: ['1', 'SIGKILL'], successExitStatus: ['7'] },
  ])('are told as the policy decides them, %j', (changes) => {
    const settings = { ...RESTART, ...changes };
    const endings = immediateEndings(settings);
    const says = (end: Partial<Ending>) => {
      const run = { ending: ending(end), fault: false, stableFor: 30_000, failures: 3 };
      const decision = decide(run, settings, 0.5);
      return decision.action === 'restart' && decision.delay === 0 ? 1 : 0;
    };
    for (let code = 0; code < 256; code++) expect([code, endings[code]]).toEqual([code, says({ code })]);
    for (let signal = 1; signal < 65; signal++) {
      // Which call it was is found out first.
      const expected = signal === 31 ? 0 : says({ signal });
      expect([signal, endings[256 + signal]]).toEqual([signal, expected]);
    }
    expect(endings).toHaveLength(256 + 65);
    // None of them is another's because the kernel killed for memory.
    for (let signal = 1; signal < 65; signal++) {
      if (endings[256 + signal] === 1) expect(says({ signal, oomKilled: true })).toBe(1);
    }
  });
});

describe('a host', () => {
  async function running(settings = {}) {
    const clock = new FakeClock();
    const fake = fakeDaemon('web', clock, settings);
    fake.daemon.start();
    await settle();
    const told = fake.sandboxes[0]!.anticipated as (Anticipation | undefined)[];
    return { clock, told, ...fake };
  }

  it('may start a daemon again by itself once its run is stable', async () => {
    const { told } = await running();
    expect(told).toEqual([{ delay: 30_000, endings: immediateEndings(RESTART) }]);
  });

  it('may not, where nothing is started again', async () => {
    expect((await running({ restart: { ...RESTART, restart: 'no' } })).told).toEqual([]);
  });

  it('may not before there is a word that it is ready', async () => {
    expect((await running({ gated: true })).told).toEqual([]);
  });

  it('may not any more from the moment of a stop, a restart or a kill on', async () => {
    for (const ask of ['stop', 'restart', 'kill'] as const) {
      const { daemon, sandboxes, told } = await running();
      sandboxes[0]!.stubborn = true;
      daemon[ask]();
      expect(told.at(-1)).toBeUndefined();
      expect(told).toHaveLength(2);
    }
  });

  it('may not while this process is being replaced, and may again when that failed', async () => {
    const { clock, daemon, told } = await running();
    await clock.pass(10_000);
    daemon.hold(true);
    expect(told).toHaveLength(2);
    expect(told[1]).toBeUndefined();
    daemon.hold(false);
    expect(told[2]).toMatchObject({ delay: 20_000 });
  });

  it('may not where one more start is one too many', async () => {
    const clock = new FakeClock();
    const restart = { ...RESTART, startLimitBurst: 1 };
    const { daemon, sandboxes } = fakeDaemon('web', clock, { restart });
    daemon.start();
    await settle();
    expect(sandboxes[0]!.anticipated).toHaveLength(1);
    await clock.pass(40_000);
    sandboxes[0]!.end({ code: 1 });
    await settle();
    expect(daemon.status()).toMatchObject({ state: 'running', restarts: 1 });
    expect(sandboxes[1]!.anticipated).toEqual([]);
  });
});
