import type { Resolution } from '../sandbox/firewall.ts';

/** All addresses of a name, v4 and v6, without zones. Rejects with an error whose `code` is a name of getaddrinfo's. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** So many look-ups of one app are under way at most, also where no resolver answers: its names wait for each other alone. */
export const PER_APP = 8;
/** And so many of all apps: each keeps a thread. Once half of these are taken, an app gets one. */
export const AT_ONCE = 256;

interface Ask {
  readonly name: string;
  readonly answer: (resolution: Resolution) => void;
}

/**
 * The look-ups of all apps of a process. A look-up can't be broken off: a dead resolver keeps it for half a minute. So each
 * app has a few places of its own, which one that hangs keeps, and no name is asked about that is being asked about already.
 */
export class NameLookups {
  readonly #lookup: Lookup;
  readonly #waiting = new Map<string, Ask[]>();
  readonly #running = new Map<string, number>();
  readonly #asked = new Map<string, Promise<Resolution>>();
  #all = 0;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  /** Asks about names for an app; `answer` is called once for each. @returns takes back those that are not yet asked about. */
  ask(app: string, names: readonly string[], answer: (name: string, resolution: Resolution) => void): () => void {
    const asks = names.map((name): Ask => ({ name, answer: (resolution) => answer(name, resolution) }));
    this.#waiting.set(app, [...(this.#waiting.get(app) ?? []), ...asks]);
    this.#goOn();
    return () => {
      const left = this.#waiting.get(app)?.filter((one) => !asks.includes(one)) ?? [];
      if (left.length > 0) this.#waiting.set(app, left);
      else this.#waiting.delete(app);
    };
  }

  /** One of each app in turn, until nothing more can be begun. */
  #goOn(): void {
    for (let begun = true; begun; ) {
      begun = false;
      for (const app of [...this.#waiting.keys()]) if (this.#next(app)) begun = true;
    }
  }

  #next(app: string): boolean {
    const asks = this.#waiting.get(app)!;
    const known = asks.findIndex(({ name }) => this.#asked.has(name));
    const at = known >= 0 ? known : this.#mayBegin(app) ? 0 : undefined;
    const [ask] = at === undefined ? [] : asks.splice(at, 1);
    // The last in turn, next time.
    this.#waiting.delete(app);
    if (asks.length > 0) this.#waiting.set(app, asks);
    if (ask === undefined) return false;
    void (this.#asked.get(ask.name) ?? this.#begin(app, ask.name)).then(ask.answer);
    return true;
  }

  #mayBegin(app: string): boolean {
    return this.#all < AT_ONCE && (this.#running.get(app) ?? 0) < (this.#all < AT_ONCE / 2 ? PER_APP : 1);
  }

  #begin(app: string, name: string): Promise<Resolution> {
    this.#count(app, 1);
    const asked = resolve(this.#lookup, name).finally(() => {
      this.#asked.delete(name);
      this.#count(app, -1);
      this.#goOn();
    });
    this.#asked.set(name, asked);
    return asked;
  }

  #count(app: string, by: number): void {
    this.#all += by;
    const now = (this.#running.get(app) ?? 0) + by;
    if (now > 0) this.#running.set(app, now);
    else this.#running.delete(app);
  }
}

async function resolve(lookup: Lookup, name: string): Promise<Resolution> {
  try {
    return { addresses: [...new Set((await lookup(name)).map(unmapped))].sort() };
  } catch (error) {
    return { addresses: [], problem: (error as NodeJS.ErrnoException).code ?? 'EAI_FAIL' };
  }
}

/** Whoever connects to `::ffff:192.0.2.1` sends IPv4. */
function unmapped(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}
