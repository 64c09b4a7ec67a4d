/** Lets work begin only while it is open, and knows when all that was begun is done. */
export class Gate {
  #working = 0;
  #waiting: (() => void)[] | undefined;

  /** Whether something is at work. */
  get isBusy(): boolean {
    return this.#working > 0;
  }

  /** Does the work now, or when the gate is opened again. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.#waiting !== undefined) {
      await new Promise<void>((resolve) => this.#waiting!.push(resolve));
    }
    this.#working++;
    try {
      return await work();
    } finally {
      this.#working--;
    }
  }

  /** Nothing more begins. */
  close(): void {
    this.#waiting ??= [];
  }

  open(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const go of waiting) go();
  }
}
