/** Milliseconds after which more may be told. */
const WHILE = 60_000;
/** Events of a daemon: a crash loop at the longest pause is told without end, one that never pauses is not. */
const OF_A_DAEMON = { most: 100, more: 20 };
/** Of all daemons of an app: they may be added by who may write `.metactl`. */
const OF_AN_APP = { most: 5000, more: 100 };

interface Limited {
  readonly own: Allowance;
  left: number;
  /** As it was told, or would have been. */
  state: string | null;
  timer: NodeJS.Timeout | undefined;
}

interface LimitedApp {
  readonly all: Allowance;
  readonly daemons: Map<string, Limited>;
}

/**
 * How much is told of a daemon that ends, reloads or falls ill all the time: what is told is written to the supervisor's log,
 * which all apps share. What is left out is counted, and said once a minute.
 */
export class EventLimits {
  readonly #apps = new Map<string, LimitedApp>();
  readonly #say: (app: string, daemon: string, text: string) => void;

  constructor(say: (app: string, daemon: string, text: string) => void) {
    this.#say = say;
  }

  /** @param state null where it tells none. @param always it is told in any case. @returns false where it is left out. */
  passes(app: string, daemon: string, state: string | null, always = false): boolean {
    const group = this.#app(app);
    const one = daemonOf(group, daemon);
    const now = performance.now();
    one.state = state ?? one.state;
    if (always || (one.own.take(now) && group.all.take(now))) return true;
    one.left++;
    if (one.timer === undefined) this.#tellLater(app, daemon);
    return false;
  }

  /** Somebody does something with it, and looks on. */
  forgive(app: string): void {
    this.#apps.get(app)?.all.refill();
    for (const { own } of this.#apps.get(app)?.daemons.values() ?? []) own.refill();
  }

  #app(app: string): LimitedApp {
    const known = this.#apps.get(app);
    if (known !== undefined) return known;
    const made = { all: new Allowance(OF_AN_APP), daemons: new Map<string, Limited>() };
    this.#apps.set(app, made);
    return made;
  }

  #tellLater(app: string, daemon: string): void {
    const group = this.#app(app);
    const one = daemonOf(group, daemon);
    one.timer = setTimeout(() => {
      one.timer = undefined;
      if (!group.all.take(performance.now())) return this.#tellLater(app, daemon);
      const { left, state } = one;
      one.left = 0;
      const now = state === null ? '' : `; it is ${state} now`;
      this.#say(app, daemon, `${left} more event${left === 1 ? '' : 's'} of it left out, as there are too many${now}`);
    }, WHILE);
    one.timer.unref();
  }
}

function daemonOf(group: LimitedApp, daemon: string): Limited {
  const known = group.daemons.get(daemon);
  if (known !== undefined) return known;
  const made = { own: new Allowance(OF_A_DAEMON), left: 0, state: null, timer: undefined };
  group.daemons.set(daemon, made);
  return made;
}

/** So many at once, and so many more for each minute. */
class Allowance {
  readonly #most: number;
  readonly #more: number;
  #left: number;
  #from = performance.now();

  constructor({ most, more }: { readonly most: number; readonly more: number }) {
    this.#most = most;
    this.#more = more;
    this.#left = most;
  }

  /** @returns whether there was one left. */
  take(now: number): boolean {
    const times = Math.floor((now - this.#from) / WHILE);
    this.#from += times * WHILE;
    this.#left = Math.min(this.#most, this.#left + times * this.#more);
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }

  refill(): void {
    this.#left = this.#most;
  }
}
