/**
 * What the daemons of one app have in common, made once while they are planned: with a hundred of them it would otherwise be
 * made a hundred times, and kept as often.
 */
export class SharedParts {
  readonly #made = new Map<string, unknown>();

  /** @param what names the part and all of it that differs between daemons. */
  once<T>(what: string, make: () => T): T {
    if (!this.#made.has(what)) this.#made.set(what, make());
    return this.#made.get(what) as T;
  }
}
