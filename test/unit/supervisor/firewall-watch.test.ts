import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FirewallPlan } from '../../../src/sandbox/plan.ts';
import { changes, FirewallWatch } from '../../../src/supervisor/firewall-watch.ts';
import { type Lookup, NameLookups } from '../../../src/supervisor/name-lookups.ts';
import { pathsFor } from '../../../src/util/paths.ts';

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

/** What hears of removed rules. */
const hearing = new Set<() => void>();
const HOST = {
  watchFirewall: (_paths: unknown, _app: string, look: () => void) => {
    hearing.add(look);
    return () => void hearing.delete(look);
  },
};

function watchOf(handle: FakeApp, of: FirewallPlan, lines: string[], lookup: Lookup): FirewallWatch {
  const log = (line: string) => lines.push(line);
  return new FirewallWatch({
    host: HOST,
    paths: pathsFor('/nowhere'),
    app: 'shop',
    handle,
    plan: of,
    log,
    lookups: new NameLookups(lookup),
  });
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

it('long lists of addresses are cut', () => {
  const many = Array.from({ length: 1500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  expect(changes(plan([]), plan(many))).toEqual([
    `[firewall.out.accept] db: db.test is now ${many.slice(0, 8).join(' ')} and 1492 more`,
  ]);
});

describe('a watched firewall', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('resolves its names at its interval and when told to, and tells changes once', async () => {
    const app = new FakeApp();
    const lines: string[] = [];
    let address = '10.0.0.1';
    const lookup: Lookup = async () => [address];
    const watch = watchOf(app, plan(['10.0.0.1']), lines, lookup);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([app.renewed, lines]).toEqual([[['10.0.0.1']], []]);
    address = '10.0.0.2';
    await watch.renew();
    await vi.advanceTimersByTimeAsync(0);
    expect(app.renewed).toEqual([['10.0.0.1'], ['10.0.0.2']]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toEqual(['[firewall.out.accept] db: db.test is now 10.0.0.2']);
    await watch.close();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(app.renewed).toHaveLength(3);
  });

  it('asks once more, not more often, however often it is told to while it asks', async () => {
    const app = new FakeApp();
    let asked = 0;
    const lookup: Lookup = async () => {
      asked++;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return ['10.0.0.1'];
    };
    const watch = watchOf(app, { ...plan([]), resolveInterval: 100 }, [], lookup);
    const all = Promise.all(Array.from({ length: 5 }, () => watch.renew()));
    await vi.advanceTimersByTimeAsync(2_000);
    await all;
    expect([asked, app.renewed.length]).toEqual([2, 2]);
    await watch.close();
  });

  it('looks after its rules also while resolvers hang, and its end does not wait for them', async () => {
    const app = new FakeApp();
    const lines: string[] = [];
    const watch = watchOf(app, { ...plan(['10.0.0.1']), resolveInterval: 4_000 }, lines, () => new Promise(() => {}));
    app.whole = false;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(lines).toEqual(['warning: the firewall rules of the app had been removed; they are back']);
    await watch.close();
    expect(app.renewed).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('looks after its rules as soon as it hears that some were taken, until its end', async () => {
    const app = new FakeApp();
    const lines: string[] = [];
    const watch = watchOf(app, plan([]), lines, async () => []);
    app.whole = false;
    for (const look of hearing) look();
    await vi.advanceTimersByTimeAsync(0);
    expect(lines).toEqual(['warning: the firewall rules of the app had been removed; they are back']);
    await watch.close();
    expect(hearing.size).toBe(0);
  });

  it('tells where its rules had gone, and goes on after a failure', async () => {
    const app = new FakeApp();
    const lines: string[] = [];
    const watch = watchOf(app, plan([]), lines, async () => []);
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
