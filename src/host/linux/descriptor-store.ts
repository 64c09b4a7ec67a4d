import { closeSync } from 'node:fs';
import type { Descriptor } from '../handover.ts';
import type { StoredDescriptors } from '../notify.ts';
import { addon } from './addon.ts';

/** A descriptor that a daemon has left for its next start. */
export interface Stored {
  readonly descriptor: Descriptor;
  readonly name: string;
  /** Let go of once its other end has hung up (not FDPOLL=0). */
  readonly watched: boolean;
}

/** What one daemon has stored (FDSTORE=1), in the order in which it came. */
export class DescriptorStore implements StoredDescriptors {
  #stored: readonly Stored[] = [];

  /**
   * Takes descriptors in. One that is there already is closed: a daemon stores what it got once more.
   * @param most in all. @returns how many were closed because there was no room.
   */
  add(fds: readonly number[], { name, watched }: Omit<Stored, 'descriptor'>, most: number): number {
    this.#sweep();
    let refused = 0;
    for (const fd of fds) {
      const known = this.#stored.some(({ descriptor }) => addon().isSameFile(descriptor.fd, fd));
      if (!known && this.#stored.length < most) {
        this.#stored = [...this.#stored, { descriptor: { fd }, name, watched }];
        continue;
      }
      closeSync(fd);
      if (!known) refused++;
    }
    return refused;
  }

  /** Lets go of all by that name. */
  remove(name: string): void {
    this.#keep((one) => one.name !== name);
  }

  /** What there is now; it stays here, for the start after the next. */
  current(): readonly Stored[] {
    this.#sweep();
    return this.#stored;
  }

  /** Takes over what another one had. */
  put(stored: readonly Stored[]): void {
    this.#stored = [...this.#stored, ...stored];
  }

  /** Lets go of all without closing it. */
  release(): DescriptorStore {
    const other = new DescriptorStore();
    other.put(this.#stored);
    this.#stored = [];
    return other;
  }

  close(): void {
    this.#keep(() => false);
  }

  #sweep(): void {
    this.#keep(({ watched, descriptor }) => !watched || !addon().hasHungUp(descriptor.fd));
  }

  #keep(wanted: (one: Stored) => boolean): void {
    this.#stored = this.#stored.filter((one) => {
      const keeps = wanted(one);
      if (!keeps) closeSync(one.descriptor.fd);
      return keeps;
    });
  }
}
