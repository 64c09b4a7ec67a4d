import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { logs } from '../../../src/host/linux/logs.ts';
import { Compressor } from '../../../src/supervisor/logs/compress.ts';
import { FileSink } from '../../../src/supervisor/logs/file-sink.ts';
import { WallClock } from '../../../src/supervisor/logs/rotation.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { FakeClock, fakeDaemon, settle } from './state/fake-handle.ts';

/** Somebody sets the machine's clock an hour forth or back. Nothing that waits may notice; nothing may get lost. */

const HOUR = 3_600_000;

class SettableClock extends FakeClock {
  set = 0;
  override wall = () => this.now() + 1e12 + this.set;
}

it.each([HOUR, -HOUR])('a pause before a restart is neither shortened nor lengthened: %i ms', async (jump) => {
  const clock = new SettableClock();
  const { daemon, sandboxes } = fakeDaemon('web', clock);
  daemon.start();
  await settle();
  for (let i = 0; i < 5; i++) {
    sandboxes.at(-1)!.end({ code: 1 });
    await settle();
    if (i < 4) await clock.pass(5000);
  }
  const left = daemon.status().nextRetry! - clock.wall();
  expect(left).toBeGreaterThan(500);
  clock.set = jump;
  // Shown by the clock as it is now.
  expect(daemon.status().nextRetry! - clock.wall()).toBe(left);
  await clock.pass(left - 1);
  expect(daemon.status().state).toBe('backoff');
  await clock.pass(1);
  expect(daemon.status().state).toBe('running');
});

it.each([HOUR, -HOUR])('uptime, stability and the time for a stop are as they were: %i ms', async (jump) => {
  const clock = new SettableClock();
  const { daemon, sandboxes } = fakeDaemon('web', clock);
  daemon.start();
  await settle();
  await clock.pass(1000);
  clock.set = jump;
  await clock.pass(1000);
  expect(daemon.status()).toMatchObject({ uptime: 2000, age: 2000 });
  sandboxes[0]!.end({ code: 1 });
  await settle();
  // Two seconds are no stable run, whatever the clock says.
  expect(daemon.status()).toMatchObject({ state: 'backoff', lastExit: { uptime: 2000 } });
  await clock.pass(1000);
  sandboxes[1]!.stubborn = true;
  daemon.stop();
  clock.set = -jump;
  await clock.pass(29_999);
  expect(daemon.status().state).toBe('stopping');
  await clock.pass(1);
  expect(daemon.status().state).toBe('stopped');
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'metactl-clock-'));
});
afterEach(() => rmSync(root, { recursive: true }));

it('a log loses nothing and overwrites nothing when midnight comes twice', async () => {
  let now = Date.parse('2026-11-26T23:30:00Z');
  const compressor = new Compressor();
  const opened = await logs.store(pathsFor(root), 'shop');
  const sink = new FileSink({
    host: logs,
    directory: opened,
    directoryNow: () => logs.store(pathsFor(root), 'shop'),
    file: await opened.open('web.log'),
    daemon: 'web',
    rotation: { maxSize: 1 << 20, daily: true, maxFiles: 30, maxAge: Number.POSITIVE_INFINITY },
    compressor,
    onProblem: (text) => expect(text).toBe(''),
    clock: new WallClock(() => now),
  });
  for (let i = 0; i < 6; i++) {
    void sink.push(Buffer.from(`line ${i}\n`), { stream: 'out', pid: 1, time: now });
    expect(await sink.flush(1000)).toBe(true);
    now += i % 2 === 0 ? HOUR : -HOUR;
  }
  await sink.close(1000);
  compressor.stop();
  const directory = join(root, 'var/log/metactl/shop');
  const text = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'));
  const lines = text.flatMap((one) => [...one.matchAll(/ out: (line \d)\n/g)].map((match) => match[1]));
  expect(lines.sort()).toEqual([0, 1, 2, 3, 4, 5].map((i) => `line ${i}`));
});

it('no log is removed for its age by a clock that is wrong for a moment', async () => {
  const DAY = 24 * HOUR;
  let set = 0;
  let steady = 0;
  const start = Date.parse('2026-11-26T12:00:00Z');
  const clock = new WallClock(
    () => start + steady + set,
    () => steady,
  );
  const compressor = new Compressor();
  const opened = await logs.store(pathsFor(root), 'shop');
  const sink = new FileSink({
    host: logs,
    directory: opened,
    directoryNow: () => logs.store(pathsFor(root), 'shop'),
    file: await opened.open('web.log'),
    daemon: 'web',
    rotation: { maxSize: 40, daily: false, maxFiles: 30, maxAge: 7 * DAY },
    compressor,
    onProblem: (text) => expect(text).toBe(''),
    clock,
  });
  // Each needs a file of its own.
  const line = async () => {
    void sink.push(Buffer.from('line\n'), { stream: 'out', pid: 1, time: clock.now() });
    expect(await sink.flush(1000)).toBe(true);
    return readdirSync(join(root, 'var/log/metactl/shop')).length;
  };
  await line();
  expect(await line()).toBe(2);
  set = 3650 * DAY;
  expect(await line()).toBe(3);
  set = 0;
  expect(await line()).toBe(4);
  steady += HOUR / 2;
  expect(await line()).toBe(5);
  // Time that really goes by: the first file is too old, those whose names are of the future are not.
  steady += 8 * DAY;
  expect(await line()).toBe(5);
  await sink.close(1000);
  compressor.stop();
});
