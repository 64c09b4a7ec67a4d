import { expect, test } from 'vitest';
import { COLD, evaluate, type Measured, RIVAL, WARM } from '../../bench/gates.ts';
import { interleave, type Launcher, type Mode, type Result, spawnLauncher } from '../../bench/launcher.ts';
import { percentile } from '../../bench/statistics.ts';
import { printTable } from '../../bench/table.ts';

function result(name: string, mode: Mode, p50: number, p95: number): Result {
  return { name, mode, first: { n: 200, p50, p95 }, exit: { n: 200, p50, p95 } };
}

const good: Measured = {
  launches: (['hot', 'idle'] as const).flatMap((mode) => [
    result(WARM, mode, 900, 1300),
    result(COLD, mode, 2400, 3000),
    result(RIVAL, mode, 4500, 5500),
  ]),
  daemons: {
    count: 100,
    metactl: { n: 10, p50: 40_000, p95: 50_000 },
    bwrap: { n: 10, p50: 200_000, p95: 220_000 },
    initPss: 15,
    bwrapPss: 263,
  },
  firewalls: {
    count: 300,
    cold: result('firewall', 'idle', 4000, 5000),
    bwrap: result(RIVAL, 'idle', 4500, 5500),
    coldLast: result('firewall', 'idle', 4400, 5500),
    tripFirst: { n: 15, p50: 20, p95: 30 },
    tripLast: { n: 15, p50: 21, p95: 30 },
  },
  network: {
    runs: 20,
    roundTrip: { metactl: { n: 20, p50: 20.5, p95: 30 }, plain: { n: 20, p50: 20, p95: 30 } },
    throughput: { metactl: { n: 20, p50: 9_900, p95: 11_000 }, plain: { n: 20, p50: 10_000, p95: 11_000 } },
  },
};

function failures(measured: Measured): string[] {
  return evaluate(measured)
    .filter(({ passed }) => !passed)
    .map(({ name }) => name);
}

test('percentiles are of the nearest rank', () => {
  const samples = Array.from({ length: 200 }, (_, i) => 200 - i);
  expect(percentile(samples, 0.5)).toBe(100);
  expect(percentile(samples, 0.95)).toBe(190);
  expect(percentile([7], 0.95)).toBe(7);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});

test('good figures pass every gate', () => {
  expect(evaluate(good)).toHaveLength(15);
  expect(failures(good)).toEqual([]);
});

test('a slow start fails, by its median, by its tail and by its spread', () => {
  const launches = good.launches!.map((one) =>
    one.name === WARM && one.mode === 'idle' ? result(WARM, 'idle', 1600, 2700) : one,
  );
  expect(failures({ ...good, launches })).toEqual([
    "idle: start, p50, to bwrap's",
    "idle: start, p95, to bwrap's",
    'idle: start, p95 − p50',
  ]);
});

test('a fat init fails', () => {
  expect(failures({ ...good, daemons: { ...good.daemons!, initPss: 33 } })).toEqual(['metactl-init, PSS']);
  // The largest of none at all.
  const nothing = Number.NEGATIVE_INFINITY;
  expect(failures({ ...good, daemons: { ...good.daemons!, initPss: nothing } })).toEqual(['metactl-init, PSS']);
});

test('slow packets and costly firewalls fail', () => {
  const { firewalls, network } = good;
  const slow = {
    roundTrip: { ...network!.roundTrip, metactl: { n: 20, p50: 22, p95: 30 } },
    throughput: { ...network!.throughput, metactl: { n: 20, p50: 9_000, p95: 9_900 } },
  };
  const costly = { coldLast: result('firewall', 'idle', 8000, 9000), tripLast: { n: 15, p50: 24, p95: 30 } };
  expect(failures({ ...good, network: { runs: 20, ...slow }, firewalls: { ...firewalls!, ...costly } })).toEqual([
    "firewall 300: first start, to the first one's",
    'firewall 300: round trip through both, to that with two',
    "veth: round trip, to a hand-made pair's",
    "veth: hand-made pair's throughput, to metactl's",
  ]);
});

test('the table shows figures, ratios, gates and who could not run', () => {
  const text = printTable(good, [{ name: 'crun run', reason: 'no' }], evaluate(good));
  expect(text).toMatch(/^metactl, network there +hot +200 +900 +1,300 .* 0\.20 \(0\.24\)$/m);
  expect(text).toMatch(/^hot: start, p50, to bwrap's +0\.20 × +0\.33 × +PASS$/m);
  expect(text).toContain('crun run: does not run here (no)');
});

test('launchers take turns, and each comes to follow every other', async () => {
  const order: string[] = [];
  const launcher = (name: string): Launcher => ({
    name,
    async launch() {
      order.push(name);
      return { first: 1, exit: 2 };
    },
  });
  const results = await interleave([...'abcd'].map(launcher), 200, 'hot');
  expect(order.splice(0, 12).join('')).toBe('aaabbbcccddd');
  const rounds = Array.from({ length: 200 }, (_, round) => order.slice(4 * round, 4 * round + 4));
  expect(rounds.every((round) => [...round].sort().join('') === 'abcd')).toBe(true);
  // That one of the twelve pairs is missing in 200 rounds: less than once in 10²⁰ runs.
  const pairs = new Set(rounds.flatMap((round) => round.slice(1).map((name, i) => round[i]! + name)));
  expect(pairs.size).toBe(12);
  expect(results[0]).toEqual({
    name: 'a',
    mode: 'hot',
    first: { n: 200, p50: 1, p95: 1 },
    exit: { n: 200, p50: 2, p95: 2 },
  });
});

test('a launch that fails or prints no clock is an error with its message', async () => {
  await expect(spawnLauncher('x', () => ['/bin/sh', '-c', 'echo why >&2; exit 3']).launch()).rejects.toThrow(
    'x ended with 3: why',
  );
  await expect(spawnLauncher('x', () => ['/bin/true']).launch()).rejects.toThrow('x ended with 0: (no message)');
  await expect(spawnLauncher('x', () => ['/none-such']).launch()).rejects.toThrow('ENOENT');
});
