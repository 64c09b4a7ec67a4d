import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { LineHead } from '../../../../src/host/log-host.ts';
import { MARK, type Origin } from '../../../../src/supervisor/logs/line.ts';
import type { HandedSink } from '../../../../src/supervisor/logs/sink.ts';
import { type Sent, TellingSink } from '../../../../src/supervisor/logs/telling-sink.ts';
import { frameLines } from '../../../helpers/frame-lines.ts';

const origin: Origin = { stream: 'out', pid: 1, time: 0 };

/** A disk of its own kind: as slow as it is told, and as unwilling. */
class FakeSink extends TellingSink {
  readonly problems: string[] = [];
  written = '';
  error: string | undefined;
  gate: Promise<void> | undefined;
  calls = 0;
  ended = false;

  /** Bytes and lines that are written, or left out, before the disk refuses. */
  partly = { done: 0, skipped: 0 };

  constructor(handed?: HandedSink) {
    super(frameLines, (text) => this.problems.push(text), '/log', handed);
  }
  protected head({ stream }: Origin): LineHead {
    return { bytes: Buffer.from(`${stream}: `), mark: stream.length };
  }
  protected mixes(): boolean {
    return true;
  }
  protected override end(): void {
    super.end();
    this.ended = true;
  }
  protected async send(lines: Buffer): Promise<Sent> {
    this.calls++;
    await this.gate;
    if (this.error !== undefined) return { ...this.partly, error: this.error };
    this.written += lines.toString();
    return { done: lines.length, error: undefined };
  }
}

function lines(from: number, to: number): Buffer {
  return Buffer.from(Array.from({ length: to - from }, (_, i) => `${from + i}\n`).join(''));
}

test('a slow disk makes the writer wait, and nothing is lost', async () => {
  const sink = new FakeSink();
  let open = () => {};
  sink.gate = new Promise((resolve) => {
    open = resolve;
  });
  let next = 0;
  let wait: Promise<void> | undefined;
  // Bounded: a sink that never asked to wait would take all of it.
  while (wait === undefined && next < 1_000_000) {
    wait = sink.push(lines(next, next + 1000), origin);
    next += 1000;
  }
  expect(next).toBeLessThan(100_000);
  let waited = false;
  void wait?.then(() => {
    waited = true;
  });
  await sleep(20);
  expect(waited).toBe(false);
  open();
  await wait;
  sink.push(lines(next, next + 10), origin);
  await sink.close(5000);
  const expected = Array.from({ length: next + 10 }, (_, i) => `out: ${i}\n`).join('');
  expect(sink.written === expected).toBe(true);
  expect(sink.problems).toEqual([]);
});

test('what a disk refuses is counted, told once, and stands in the log when it works again', async () => {
  const sink = new FakeSink();
  sink.error = 'ENOSPC';
  sink.push(lines(0, 3), origin);
  await sleep(5);
  sink.push(lines(3, 5), origin);
  await sleep(5);
  expect(sink.calls).toBe(1);
  expect(sink.problems).toEqual(["can't write to /log: ENOSPC; its lines are lost until that works again"]);
  sink.error = undefined;
  // Without a further line.
  for (let round = 0; round < 100 && sink.written === ''; round++) await sleep(50);
  expect(sink.written).toBe('metactl: 5 lines lost: ENOSPC\n');
  expect(sink.problems[1]).toBe('/log is written again: 5 lines lost: ENOSPC');
  sink.push(Buffer.from('on'), origin, MARK.unfinished);
  await sink.close(5000);
  expect(sink.written).toBe('metactl: 5 lines lost: ENOSPC\nout~ on\n');
});

test('what is written before the disk refuses is not lost; what is left out of it is', async () => {
  const sink = new FakeSink();
  sink.error = 'ENOSPC';
  sink.partly = { done: 'out: 0\nout: 1\nout: 2\n'.length, skipped: 1 };
  sink.push(lines(0, 5), origin);
  await sleep(5);
  await sink.close(5000);
  expect(sink.problems[1]).toBe('/log ends with 3 lines lost: ENOSPC');
});

test('what the process before has lost stands in the log of the next, without a further line', async () => {
  const sink = new FakeSink({ losses: { lost: 4, code: 'ENOSPC' } });
  for (let round = 0; round < 100 && sink.written === ''; round++) await sleep(50);
  expect(sink.written).toBe('metactl: 4 lines lost: ENOSPC\n');
  expect(sink.problems).toEqual(['/log is written again: 4 lines lost: ENOSPC']);
  await sink.close(5000);
});

test('what was lost is counted in the log when it ends, or told where that is not possible', async () => {
  const [well, unwell] = [new FakeSink(), new FakeSink()];
  for (const sink of [well, unwell]) {
    sink.error = 'ENOSPC';
    sink.push(lines(0, 3), origin);
    await sleep(5);
    sink.push(lines(3, 5), origin);
  }
  well.error = undefined;
  await Promise.all([well.close(5000), unwell.close(5000)]);
  expect(well.written).toBe('metactl: 5 lines lost: ENOSPC\n');
  expect(well.problems[1]).toBe('/log is written again: 5 lines lost: ENOSPC');
  expect(unwell.problems[1]).toBe('/log ends with 5 lines lost: ENOSPC');
  expect([well.problems.length, unwell.problems.length]).toEqual([2, 2]);
});

test('a disk that hangs does not hold the end of the supervisor for ever', async () => {
  const sink = new FakeSink();
  let open = () => {};
  sink.gate = new Promise((resolve) => {
    open = resolve;
  });
  sink.push(lines(0, 1), origin);
  const before = performance.now();
  await sink.close(50);
  expect(performance.now() - before).toBeLessThan(5000);
  // Its descriptor is closed when the last write is over.
  expect(sink.ended).toBe(false);
  open();
  await sleep(5);
  expect(sink.ended).toBe(true);
});
