import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import '../../../helpers/property-seed.ts';
import { isAtRest } from '../../../../src/supervisor/state/group.ts';
import type { Input } from '../../../../src/supervisor/state/model.ts';
import type { DaemonSettings } from '../../../../src/supervisor/state/settings.ts';
import type { ReadinessReport } from '../../../../src/supervisor/state/types.ts';
import { Bench, ending } from './machine-helper.ts';

/** What must hold for the state machine whatever comes, in whatever order, with whatever settings. */

const milliseconds = fc.oneof(fc.constantFrom(0, 1, 10, 100, 1000), fc.integer({ min: 0, max: 100_000 }));
const statuses = fc.array(fc.constantFrom('0', '1', '7', 'SIGKILL'), { maxLength: 2 });
const settings: fc.Arbitrary<DaemonSettings> = fc.record({
  restart: fc.record({
    restart: fc.constantFrom('no', 'on-failure', 'always'),
    restartSec: milliseconds,
    restartMaxDelaySec: milliseconds,
    restartResetSec: milliseconds,
    startLimitBurst: fc.constantFrom(0, 0, 1, 3),
    startLimitIntervalSec: milliseconds,
    successExitStatus: statuses,
    restartPreventExitStatus: statuses,
  }),
  stop: fc.record({
    killSignal: fc.constantFrom(undefined, 10),
    timeout: fc.oneof(milliseconds, fc.constant(Number.POSITIVE_INFINITY)),
    threadDump: fc.boolean(),
  }),
  reloadSignal: fc.constant(1),
  reloadTimeout: fc.oneof(milliseconds, fc.constant(Number.POSITIVE_INFINITY)),
  gated: fc.boolean(),
});

const report: fc.Arbitrary<ReadinessReport> = fc.oneof(
  fc.constantFrom<ReadinessReport>(
    { type: 'ready' },
    { type: 'ready' },
    { type: 'reloading' },
    { type: 'stopping' },
    { type: 'status-text', text: 'x' },
    { type: 'unwell', reason: 'x' },
    { type: 'well' },
    { type: 'failed', reason: 'x' },
    { type: 'watchdog' },
  ),
  milliseconds.map((time): ReadinessReport => ({ type: 'extend', milliseconds: time })),
);

/** What people, the kernel and the daemon can do. Time passes by its own. */
type Move = Input | { readonly type: 'pass'; readonly milliseconds: number };
const ends = fc.constantFrom(
  { code: 0 },
  { code: 1 },
  { code: 7 },
  { signal: 9 },
  { signal: 15 },
  { sandboxDied: true },
);
const waitFor = fc.constantFrom<readonly string[]>([], [], ['db']);
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: milliseconds.map((time): Move => ({ type: 'pass', milliseconds: time })) },
  { weight: 2, arbitrary: waitFor.map((names): Move => ({ type: 'start', waitFor: names })) },
  fc.constantFrom<Move>(
    { type: 'stop', signal: undefined },
    { type: 'stop', signal: 2 },
    { type: 'kill' },
    { type: 'restart', waitFor: [] },
    { type: 'dependencies', waitFor: [] },
  ),
  { weight: 4, arbitrary: fc.constantFrom<Move>({ type: 'launched', pid: 7 }, { type: 'executed' }) },
  fc.constant<Move>({ type: 'launch-failed', error: new Error('x'), status: 125 }),
  {
    weight: 4,
    arbitrary: ends.map((end): Move => ({ type: 'ended', ending: ending(end), killedFor: undefined, cause: 'x' })),
  },
  { weight: 2, arbitrary: report.map(reported) },
);

interface Case {
  readonly settings: DaemonSettings;
  readonly moves: readonly (readonly [Move, number])[];
}
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const cases: fc.Arbitrary<Case> = fc.record({
  settings,
  moves: fc.array(fc.tuple(move, random), { maxLength: 80 }),
});

/** Of a daemon that runs, and whose watch tells more than all others do. */
const talks: fc.Arbitrary<Case> = fc.record({
  settings,
  moves: fc
    .array(fc.tuple(fc.oneof(move, { weight: 9, arbitrary: report.map(reported) }), random), { maxLength: 40 })
    .map((moves) => [...RUNS.map((one) => [one, 0] as const), ...moves]),
});
const RUNS: readonly Move[] = [{ type: 'start', waitFor: [] }, { type: 'launched', pid: 7 }, { type: 'executed' }];
function reported(one: ReadinessReport): Move {
  return { type: 'report', report: one };
}

/** Whether this can happen now: what the kernel tells of a run comes once, and in order. */
function isPossible({ model }: Bench, { type }: Move): boolean {
  if (type === 'launched') return model.phase === 'launching';
  if (type === 'executed') return model.phase === 'up' && model.executedAt === undefined;
  if (type === 'launch-failed')
    return model.phase === 'launching' || (model.phase === 'up' && model.executedAt === undefined);
  if (type === 'ended') return model.phase === 'up' && model.executedAt !== undefined;
  return true;
}

/** Plays a case; `look` sees the bench after each move that was possible. */
function play(one: Case, look: (bench: Bench, move: Move) => void): Bench {
  const bench = new Bench(one.settings);
  for (const [next, chance] of one.moves) {
    if (!isPossible(bench, next)) continue;
    bench.last = [];
    if (next.type === 'pass') bench.pass(next.milliseconds);
    else bench.input(next, chance);
    look(bench, next);
  }
  return bench;
}

const check = (property: (one: Case) => void, from = cases) => fc.assert(fc.property(from, property), { numRuns: 500 });

// Thousands of cases on a busy machine take their time.
describe('whatever happens', { timeout: 60_000 }, () => {
  it('there is always a process, a timer, somebody else or an administrator to go on from', () => {
    check((one) => {
      play(one, ({ model, timers }) => {
        const { phase, state } = model;
        if (phase === 'idle') expect(isAtRest(state)).toBe(true);
        if (phase === 'waiting') expect(model.waitsFor.length).toBeGreaterThan(0);
        expect(timers.has('retry')).toBe(phase === 'backoff');
        expect(model.retryAt !== undefined).toBe(phase === 'backoff');
        // On its way to its end, it is killed some time, unless the administrator said never.
        if (phase === 'up' && state === 'stopping' && Number.isFinite(one.settings.stop.timeout)) {
          expect(timers.has('kill')).toBe(true);
        }
        // Nor does a reload last for ever.
        const reloads = state === 'reloading' && Number.isFinite(one.settings.reloadTimeout);
        expect(timers.has('reload')).toBe(reloads);
        if (phase !== 'up') expect(timers.has('kill') || timers.has('thread-dump')).toBe(false);
        expect(phase === 'launching' || phase === 'up').toBe(
          !isAtRest(state) && state !== 'backoff' && phase !== 'waiting',
        );
      });
    });
  });

  it('no restart comes without a pause, unless the run was stable for a second at least', () => {
    check((one) => {
      let executed: number | undefined;
      play(one, (bench, next) => {
        if (next.type === 'executed') executed = bench.now;
        if (next.type !== 'ended' && next.type !== 'launch-failed') return;
        const began = bench.last.find((action) => action.type === 'tell' && action.event.type === 'starting');
        if (began?.type !== 'tell' || began.event.type !== 'starting' || began.event.cause !== 'automatic') return;
        expect(next.type).toBe('ended');
        expect(bench.now - executed!).toBeGreaterThanOrEqual(Math.max(1000, one.settings.restart.restartResetSec));
      });
    });
  });

  it('pauses are never longer than restart-max-delay-sec, nor shorter than 10 ms', () => {
    check((one) => {
      play(one, ({ last }) => {
        for (const action of last) {
          if (action.type !== 'set-timer' || action.name !== 'retry') continue;
          expect(action.delay).toBeGreaterThanOrEqual(10);
          expect(action.delay).toBeLessThanOrEqual(Math.max(10, one.settings.restart.restartMaxDelaySec));
        }
      });
    });
  });

  it('one run at a time, and never after a stop until somebody wants a start', () => {
    check((one) => {
      let launches = 0;
      let stopped = true;
      play(one, (bench, next) => {
        if (next.type === 'stop' || next.type === 'kill') stopped = true;
        if (next.type === 'start' || next.type === 'restart') stopped = false;
        const now = bench.launches.length;
        expect(now - launches).toBeLessThanOrEqual(1);
        if (stopped) expect(now).toBe(launches);
        launches = now;
      });
    });
  });

  it('starts are counted, by hand and by the policy apart', () => {
    check((one) => {
      let waiting = 0;
      const bench = play(one, ({ status, model, launches, events }) => {
        const causes = events.flatMap((event) => (event.type === 'starting' ? [event.cause] : []));
        waiting = Math.max(waiting, model.phase === 'waiting' ? 1 : 0);
        const automatic = causes.filter((cause) => cause === 'automatic').length;
        expect(status.starts.automatic).toBe(automatic);
        expect(causes).toHaveLength(launches.length);
        // One that waits, or was stopped while it waited, was wanted but not launched.
        expect(status.starts.manual).toBeGreaterThanOrEqual(causes.length - automatic);
        if (waiting === 0) expect(status.starts.manual).toBe(causes.length - automatic);
        const lastManual = causes.lastIndexOf('manual');
        if (model.phase !== 'waiting') expect(status.restarts).toBeLessThanOrEqual(causes.length - 1 - lastManual);
      });
      expect(bench.model.startTimes.length).toBeLessThanOrEqual(one.settings.restart.startLimitBurst);
    });
  });

  it('a start limit is never exceeded', () => {
    check((one) => {
      const { startLimitBurst, startLimitIntervalSec } = one.settings.restart;
      let recent: number[] = [];
      play(one, (bench) => {
        for (const action of bench.last) {
          if (action.type !== 'tell' || action.event.type !== 'starting') continue;
          if (action.event.cause === 'manual') recent = [];
          else recent.push(bench.now);
        }
        if (startLimitBurst === 0) return;
        const within = recent.filter((at) => at > bench.now - startLimitIntervalSec);
        expect(within.length).toBeLessThanOrEqual(startLimitBurst);
      });
    });
  });

  it('a stop comes to an end, and at once where nothing runs', () => {
    check((one) => {
      const bench = play(one, () => {}).stop();
      const { phase } = bench.model;
      if (phase === 'idle') expect(bench.state).toBe('stopped');
      else {
        expect(phase === 'launching' || phase === 'up').toBe(true);
        expect(bench.state).toBe('stopping');
        if (phase === 'launching') bench.input({ type: 'launched', pid: 7 });
        if (bench.model.executedAt === undefined) bench.input({ type: 'executed' });
        if (Number.isFinite(one.settings.stop.timeout)) expect(bench.pass(200_000).kills).toBeGreaterThan(0);
        expect(bench.end({ signal: 9 }).state).toBe('stopped');
        expect(bench.timers.size).toBe(0);
      }
    });
  });

  it('it is well only where its health probe says so, whatever else it did meanwhile', () => {
    check((one) => {
      let unwell = false;
      play(one, ({ model, status, last }, next) => {
        if (next.type === 'report' && model.phase === 'up') {
          if (next.report.type === 'unwell') unwell = true;
          if (next.report.type === 'well') unwell = false;
        }
        if (last.some((action) => action.type === 'launch')) unwell = false;
        if (model.state === 'ready' || model.state === 'running') expect(unwell).toBe(false);
        if (model.state === 'degraded') expect(unwell || model.overdue !== undefined).toBe(true);
        else expect(model.overdue).toBeUndefined();
        expect(status.unwell).toBe(model.state === 'degraded' && unwell);
      });
    }, talks);
  });

  it('events tell every change of state', () => {
    const told: Readonly<Record<string, readonly string[]>> = {
      starting: ['starting', 'waiting'],
      running: ['running', 'ready'],
      ready: ['ready'],
      stopping: ['stopping'],
    };
    check((one) => {
      let before = 'stopped';
      play(one, ({ state, last }, next) => {
        // While time passes more than one thing may happen.
        if (state !== before && next.type !== 'pass') {
          const types = last.flatMap((action) => (action.type === 'tell' ? [action.event.type as string] : []));
          expect(types.some((type) => (told[state] ?? [state]).includes(type))).toBe(true);
        }
        before = state;
      });
    });
  });
});
