/** Pure figures. All times are in microseconds unless a name says otherwise. */

export interface Summary {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
}

/** The value below which a share of the samples lies (nearest rank). Throws RangeError without samples. */
export function percentile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError('no samples');
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export function summarize(samples: readonly number[]): Summary {
  return { n: samples.length, p50: percentile(samples, 0.5), p95: percentile(samples, 0.95) };
}

/** CLOCK_MONOTONIC now, in ns: the clock that `first` prints. */
export function now(): bigint {
  return process.hrtime.bigint();
}

export function microseconds(from: bigint, to: bigint): number {
  return Number(to - from) / 1000;
}
