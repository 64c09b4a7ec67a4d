import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FirewallPlan } from '../../../src/sandbox/plan.ts';
import { changes, FirewallWatch } from '../../../src/supervisor/firewall-watch.ts';
import type { Lookup } from '../../../src/supervisor/resolve-names.ts';

function plan(networks: readonly string[], problem?: string): FirewallPlan {
  const told = problem === undefined ? {} : { problem };
  const entry = {
    label: 'db',
    text: 'db.test:1',
    name: 'db.test',
    networks,
    ports: [1, 1],
    protocol: 'tcp',
    ...told,
  } as const;
  return { policy: 'reject', accept: [entry], resolvers: [], resolveInterval: 60_000 };
}

class FakeApp {
  readonly renewed: (readonly string[])[] = [];
  whole = true;
  async renewFirewall({ accept }: FirewallPlan): Promise<boolean> {
    this.renewed.push(accept[0]!.networks);
    return this.whole;
  }
  async keepFirewall(): Promise<boolean> {
    return this.whole;
  }
}

describe('what is told about a resolution', () => {
  const unresolved =
    'warning: [firewall.out.accept] db: db.test does not resolve (ENOTFOUND); it allows nothing until it does';

  it('is what has changed', () => {
    expect(changes(plan(['10.0.0.1', '10.0.0.2']), plan(['10.0.0.2', '10.0.0.1']))).toEqual([]);
    expect(changes(plan(['10.0.0.1']), plan(['10.0.0.2']))).toEqual([
      '[firewall.out.accept] db: db.test is now 10.0.0.2',
    ]);
    expect(changes(plan([], 'ENOTFOUND'), plan([], 'ENOTFOUND'))).toEqual([]);
    expect(changes(plan([], 'ETIMEOUT'), plan([], 'EAI_AGAIN'))).toEqual([]);
    expect(changes(plan(['10.0.0.1']), plan([], 'ENOTFOUND'))).toEqual([unresolved]);
    expect(changes(plan([], 'ENOTFOUND'), plan(['10.0.0.1']))).toEqual([
      '[firewall.out.accept] db: db.test is now 10.0.0.1',
    ]);
    expect(changes(plan(['10.0.0.1']), plan(['10.0.0.1'], 'EAI_AGAIN'))).toEqual([
      'warning: [firewall.out.accept] db: db.test does not resolve (EAI_AGAIN); it keeps 10.0.0.1',
    ]);
  });
});

describe('a watched firewall', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('resolves its names at its interval and when told to, and tells changes once', async () => {
    const app = new FakeApp();
    const lines: string[] = [];
    let address = '10.0.0.1';
    const lookup: Lookup = async () => [{ address }];
    const watch = new FirewallWatch(app, plan(['10.0.0.1']), (line) => lines.push(line), lookup);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([app.renewed, lines]).toEqual([[['10.0.0.1']], []]);
    address = '10.0.0.2';
    watch.renew();
    await vi.advanceTimersByTimeAsync(0);
    expect(app.renewed).toEqual([['10.0.0.1'], ['10.0.0.2']]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toEqual(['[firewall.out.accept] db: db.test is now 10.0.0.2']);
    await watch.close();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(app.renewed).toHaveLength(3);
  });

  it('tells where its rules had gone, and goes on after a failure', async () => {
    const app = new FakeApp();
    const lines: string[] = [];
    const watch = new FirewallWatch(
      app,
      plan([]),
      (line) => lines.push(line),
      async () => [],
    );
    app.whole = false;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(lines).toEqual(['warning: the firewall rules of the app had been removed; they are back']);
    app.keepFirewall = () => Promise.reject(new Error('no netlink'));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(lines.at(-1)).toBe('warning: no netlink');
    app.keepFirewall = async () => true;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(lines).toHaveLength(2);
    await watch.close();
  });
});
