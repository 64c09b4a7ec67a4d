import type { AppHandle, Host } from '../host/host.ts';
import { namesOf, withNames } from '../sandbox/firewall.ts';
import type { FirewallPlan } from '../sandbox/plan.ts';
import type { Paths } from '../util/paths.ts';
import { shortList } from '../util/short-list.ts';
import type { NameLookups } from './name-lookups.ts';
import { resolveNames } from './resolve-names.ts';

/**
 * Milliseconds between two looks whether the rules are still there: `systemctl restart nftables` takes all away. The kernel
 * tells of that at once, but not of everything: a set may have got elements, or an event been lost.
 */
const LOOK = 5_000;

export interface FirewallWatchOptions {
  readonly host: Pick<Host, 'watchFirewall'>;
  readonly paths: Paths;
  readonly app: string;
  readonly handle: Pick<AppHandle, 'renewFirewall' | 'keepFirewall'>;
  /** As it was put in force. */
  readonly plan: FirewallPlan;
  /** One line; what is wrong begins with `warning: `. */
  readonly log: (line: string) => void;
  readonly lookups?: NameLookups;
}

/** Keeps an app's firewall as it is meant to be while the app runs. */
export class FirewallWatch {
  readonly #options: FirewallWatchOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #ended = new AbortController();
  readonly #stopHearing: () => void;
  #plan: FirewallPlan;
  /** Changes of the rules, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #renewing: Promise<void> | undefined;
  #again: Promise<void> | undefined;

  constructor(options: FirewallWatchOptions) {
    this.#options = options;
    this.#plan = options.plan;
    this.#timers.push(setInterval(() => this.#queue(() => this.#keep()), LOOK));
    // Names only: addresses stay what they are.
    if (this.hasNames) {
      // The next turn comes soon enough where resolvers take longer than the interval.
      this.#timers.push(setInterval(() => this.#renewing ?? this.renew(), this.#plan.resolveInterval));
    }
    for (const timer of this.#timers) timer.unref();
    const { host, paths, app } = options;
    this.#stopHearing = host.watchFirewall(paths, app, () => void this.#queue(() => this.#keep()));
  }

  /** Whether there is anything to resolve. */
  get hasNames(): boolean {
    return namesOf(this.#plan).length > 0;
  }

  /** Resolves the names, later than this call. Resolves when what they stand for is in force; what fails is logged. */
  renew(): Promise<void> {
    if (this.#renewing !== undefined) {
      this.#again ??= this.#renewing.then(() => {
        this.#again = undefined;
        return this.renew();
      });
      return this.#again;
    }
    this.#renewing = this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Ends it; waits for changes that are under way. */
  async close(): Promise<void> {
    this.#ended.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopHearing();
    await this.#work;
  }

  /** What fails is told and tried again at the next turn; it must not end the daemons. */
  #queue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      if (this.#ended.signal.aborted) return;
      try {
        await work();
      } catch (error) {
        this.#options.log(`warning: ${(error as Error).message}`);
      }
    });
    return this.#work;
  }

  async #keep(): Promise<void> {
    if (!(await this.#options.handle.keepFirewall())) this.#options.log(GONE);
  }

  async #renew(): Promise<void> {
    const { app, handle, log, lookups } = this.#options;
    const { signal } = this.#ended;
    const names = await resolveNames(app, inOrder(this.#plan), { lookups, signal });
    await this.#queue(async () => {
      const before = this.#plan;
      const after = withNames(before, names);
      if (!(await handle.renewFirewall(after))) log(GONE);
      this.#plan = after;
      for (const line of changes(before, after)) log(line);
    });
  }
}

const GONE = 'warning: the firewall rules of the app had been removed; they are back';

/** Names that failed come last: their look-ups may hang, and must not keep the others waiting each time. Pure. */
function inOrder(plan: FirewallPlan): string[] {
  const failed = new Set(plan.accept.flatMap(({ name, problem }) => (problem === undefined ? [] : (name ?? []))));
  const names = namesOf(plan);
  return [...names.filter((name) => !failed.has(name)), ...names.filter((name) => failed.has(name))];
}

/** What to tell about a resolution: a name that begins or ceases to fail, and changed addresses. Pure. */
export function changes(before: FirewallPlan, after: FirewallPlan): string[] {
  return after.accept.flatMap((entry, index) => {
    const old = before.accept[index];
    // That it fails, not how: a resolver that is away gives ETIMEOUT and EAI_AGAIN by turns.
    if (entry.problem !== undefined) return old?.problem === undefined ? [unresolved(entry)] : [];
    const same = [...entry.networks].sort().join(' ') === [...(old?.networks ?? [])].sort().join(' ');
    return same ? [] : [`[firewall.out.accept] ${entry.label}: ${entry.name} is now ${shortList(entry.networks)}`];
  });
}

/** The warning about a name that does not resolve. Pure. */
export function unresolved({ label, name, problem, networks }: FirewallPlan['accept'][number]): string {
  const effect = networks.length === 0 ? 'it allows nothing until it does' : `it keeps ${shortList(networks)}`;
  return `warning: [firewall.out.accept] ${label}: ${name} does not resolve (${problem}); ${effect}`;
}
