import type { AppHandle } from '../host/host.ts';
import { namesOf, withNames } from '../sandbox/firewall.ts';
import type { FirewallPlan } from '../sandbox/plan.ts';
import { type Lookup, resolveNames } from './resolve-names.ts';

/** Milliseconds between two looks whether the rules are still there: `systemctl restart nftables` takes all away. */
const LOOK = 5_000;

/** Keeps an app's firewall as it is meant to be while the app runs. */
export class FirewallWatch {
  readonly #app: Pick<AppHandle, 'renewFirewall' | 'keepFirewall'>;
  readonly #log: (line: string) => void;
  readonly #lookup: { readonly lookup?: Lookup };
  readonly #timers: NodeJS.Timeout[] = [];
  #plan: FirewallPlan;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    app: Pick<AppHandle, 'renewFirewall' | 'keepFirewall'>,
    plan: FirewallPlan,
    log: (line: string) => void,
    lookup?: Lookup,
  ) {
    this.#app = app;
    this.#plan = plan;
    this.#log = log;
    this.#lookup = lookup === undefined ? {} : { lookup };
    this.#timers.push(setInterval(() => void this.#queue(() => this.#keep()), LOOK));
    // Names only: addresses stay what they are.
    if (namesOf(plan).length > 0) {
      this.#timers.push(setInterval(() => void this.renew(), plan.resolveInterval));
    }
    for (const timer of this.#timers) timer.unref();
  }

  /** Resolves the names now; the promise resolves when that has been done, or could not be. */
  renew(): Promise<void> {
    return this.#queue(() => this.#renew());
  }

  /** Ends it; waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#work;
  }

  /** One after the other. What fails is told and tried again at the next turn; it must not end the daemons. */
  #queue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      if (this.#closed) return;
      try {
        await work();
      } catch (error) {
        this.#log(`warning: ${(error as Error).message}`);
      }
    });
    return this.#work;
  }

  async #keep(): Promise<void> {
    if (!(await this.#app.keepFirewall())) this.#log(GONE);
  }

  async #renew(): Promise<void> {
    const before = this.#plan;
    const names = await resolveNames(namesOf(before), this.#lookup);
    if (this.#closed) return;
    const after = withNames(before, names);
    if (!(await this.#app.renewFirewall(after))) this.#log(GONE);
    this.#plan = after;
    for (const line of changes(before, after)) this.#log(line);
  }
}

const GONE = 'warning: the firewall rules of the app had been removed; they are back';

/** What to tell about a resolution: a name that begins or ceases to fail, and changed addresses. Pure. */
export function changes(before: FirewallPlan, after: FirewallPlan): string[] {
  return after.accept.flatMap((entry, index) => {
    const old = before.accept[index];
    // That it fails, not how: a resolver that is away gives ETIMEOUT and EAI_AGAIN by turns.
    if (entry.problem !== undefined) return old?.problem === undefined ? [unresolved(entry)] : [];
    const same = [...entry.networks].sort().join(' ') === [...(old?.networks ?? [])].sort().join(' ');
    return same ? [] : [`[firewall.out.accept] ${entry.label}: ${entry.name} is now ${entry.networks.join(' ')}`];
  });
}

/** The warning about a name that does not resolve. Pure. */
export function unresolved({ label, name, problem, networks }: FirewallPlan['accept'][number]): string {
  const effect = networks.length === 0 ? 'it allows nothing until it does' : `it keeps ${networks.join(' ')}`;
  return `warning: [firewall.out.accept] ${label}: ${name} does not resolve (${problem}); ${effect}`;
}
