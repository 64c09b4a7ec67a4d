import { beforeEach, describe, expect, it } from 'vitest';
import { DaemonGroup } from '../../../../src/supervisor/state/group.ts';
import type { Need } from '../../../../src/supervisor/state/order.ts';
import { FakeClock, type FakeDaemon, fakeDaemon, settle } from './fake-handle.ts';
import { SETTINGS } from './machine-helper.ts';

let clock: FakeClock;
let daemons: Record<string, FakeDaemon>;
let group: DaemonGroup;

/** `web: app=ready`, … ; `app` is gated: it is ready when the test says so. */
function make(graph: Readonly<Record<string, Readonly<Record<string, Need>>>>, gated: readonly string[] = []): void {
  clock = new FakeClock();
  const names = Object.keys(graph);
  daemons = Object.fromEntries(
    names.map((name) => [name, fakeDaemon(name, clock, { ...SETTINGS, gated: gated.includes(name) }, readiness(name))]),
  );
  const dependencies = new Map(names.map((name) => [name, new Map(Object.entries(graph[name]!))]));
  group = new DaemonGroup(
    names.map((name) => daemons[name]!.daemon),
    dependencies,
  );
}

const reports = new Map<string, () => void>();
const readiness = (name: string) => ({
  readiness: () => ({
    watch: (_sandbox: unknown, report: (one: { type: 'ready' }) => void) =>
      void reports.set(name, () => report({ type: 'ready' })),
    handOver: () => {
      throw new Error('nobody takes over here');
    },
    close: () => {},
  }),
});
const states = () =>
  Object.fromEntries(Object.entries(daemons).map(([name, { daemon }]) => [name, daemon.status().state]));
const launches = (name: string) => daemons[name]!.sandboxes.length;
const last = (name: string) => daemons[name]!.sandboxes.at(-1)!;

describe('a group of daemons', () => {
  beforeEach(() => {
    make({ web: { app: 'ready', cache: 'started' }, app: { db: 'started' }, cache: {}, db: {} }, ['app']);
  });

  it('starts what depends on nothing at the same time, the rest when it may', async () => {
    group.start();
    expect([launches('db'), launches('cache'), launches('app'), launches('web')]).toEqual([1, 1, 0, 0]);
    expect(daemons.web!.daemon.status().statusText).toBe('waits for app and cache');
    await settle();
    expect(states()).toEqual({ db: 'running', cache: 'running', app: 'starting', web: 'starting' });
    expect([launches('app'), launches('web')]).toEqual([1, 0]);
    expect(daemons.web!.daemon.status().statusText).toBe('waits for app');
    reports.get('app')!();
    await settle();
    expect(states()).toEqual({ db: 'running', cache: 'running', app: 'ready', web: 'running' });
  });

  it('looks only at what depends on the daemon that has moved', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `d${i}`);
    make(Object.fromEntries([...names.map((name) => [name, {}] as const), ['last', { d99: 'started' as const }]]));
    let looks = 0;
    for (const { daemon } of Object.values(daemons)) {
      const { dependencies } = daemon;
      daemon.dependencies = (...what) => {
        looks++;
        dependencies.apply(daemon, what);
      };
    }
    group.start();
    await settle();
    expect(states().last).toBe('running');
    // All of them once, and `last` when there is news of what it waits for.
    expect(looks).toBeLessThan(110);
  });

  it('starts what one daemon depends on with it, and nothing else', async () => {
    group.start(['app']);
    await settle();
    expect(states()).toEqual({ db: 'running', app: 'starting', cache: 'stopped', web: 'stopped' });
  });

  async function up(): Promise<void> {
    group.start();
    await settle();
    reports.get('app')!();
    await settle();
  }

  it('stops in reverse, each when the last that depends on it has ended', async () => {
    await up();
    for (const { sandboxes } of Object.values(daemons)) sandboxes[0]!.stubborn = true;
    group.stop();
    expect(states()).toEqual({ web: 'stopping', app: 'ready', cache: 'running', db: 'running' });
    last('web').end({ signal: 15 });
    await settle();
    expect(states()).toEqual({ web: 'stopped', app: 'stopping', cache: 'stopping', db: 'running' });
    last('app').end({ signal: 15 });
    await settle();
    expect(states()).toEqual({ web: 'stopped', app: 'stopped', cache: 'stopping', db: 'stopping' });
    last('cache').end({ signal: 15 });
    last('db').end({ signal: 15 });
    await settle();
    expect(new Set(Object.values(states()))).toEqual(new Set(['stopped']));
  });

  it('stops what depends on a daemon with it, first', async () => {
    await up();
    group.stop(['db']);
    await settle();
    expect(states()).toEqual({ web: 'stopped', app: 'stopped', db: 'stopped', cache: 'running' });
  });

  it('restarts by hand take along what depends on it and ran, in order', async () => {
    await up();
    group.restart(['app']);
    await settle();
    expect(states()).toEqual({ web: 'starting', app: 'starting', db: 'running', cache: 'running' });
    expect([launches('web'), launches('app'), launches('db')]).toEqual([1, 2, 1]);
    reports.get('app')!();
    await settle();
    expect([launches('web'), states().web]).toEqual([2, 'running']);
    group.stop(['web']);
    await settle();
    group.restart(['app']);
    await settle();
    expect([launches('web'), states().web]).toEqual([2, 'stopped']);
  });

  it('leaves alone what depends on one that fails and comes back', async () => {
    await up();
    last('db').end({ code: 1 });
    await settle();
    expect(states()).toMatchObject({ web: 'running', app: 'ready', db: 'backoff' });
    await clock.pass(100);
    expect([launches('db'), launches('app'), launches('web')]).toEqual([2, 1, 1]);
  });

  it('stops at once what is to come, whatever it waits for', async () => {
    await up();
    last('db').end({ code: 1 });
    await settle();
    for (const { sandboxes } of Object.values(daemons)) sandboxes[0]!.stubborn = true;
    group.stop();
    expect(states()).toMatchObject({ db: 'stopped', web: 'stopping' });
    await clock.pass(1000);
    expect(launches('db')).toBe(1);
  });

  it('takes a stop back where a start comes before it was its turn', async () => {
    await up();
    last('web').stubborn = true;
    group.stop(['app']);
    expect(states()).toMatchObject({ web: 'stopping', app: 'ready' });
    group.start(['app']);
    last('web').end({ signal: 15 });
    await settle();
    expect(states()).toMatchObject({ web: 'stopped', app: 'ready' });
  });

  it('knows who waits for something that won’t come', async () => {
    daemons.db!.failure = new Error('no such file');
    group.start();
    await settle();
    expect(states()).toMatchObject({ db: 'failed', app: 'starting', web: 'starting', cache: 'running' });
    expect(group.isStuck('app')).toBe(true);
    // It waits for one that waits.
    expect(group.isStuck('web')).toBe(true);
    expect(group.isStuck('cache')).toBe(false);
    expect(group.whyStuck('app')).toBe('waits for db, which has failed');
    daemons.db!.failure = undefined;
    group.start(['db']);
    await settle();
    expect(states()).toMatchObject({ db: 'running', app: 'starting' });
    expect(launches('app')).toBe(1);
  });

  it('kills one with what depends on it, and nothing else', async () => {
    await up();
    for (const { sandboxes } of Object.values(daemons)) sandboxes[0]!.stubborn = true;
    group.stop(['app']);
    group.kill(['app']);
    await settle();
    expect(states()).toEqual({ web: 'stopped', app: 'stopped', db: 'running', cache: 'running' });
    await clock.pass(100_000);
    expect([launches('web'), launches('app')]).toEqual([1, 1]);
  });

  it('kills all at once', async () => {
    await up();
    for (const { sandboxes } of Object.values(daemons)) sandboxes[0]!.stubborn = true;
    group.stop();
    group.kill();
    await settle();
    expect(new Set(Object.values(states()))).toEqual(new Set(['stopped']));
    expect(clock.timers).toBe(0);
  });
});
