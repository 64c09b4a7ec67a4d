import { closeSync, fstatSync } from 'node:fs';
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

/** Of all names together. They become one variable of the environment (LISTEN_FDNAMES), which execve(2) takes up to 128 KiB of. */
const LONGEST_NAMES = 64 * 1024;

/** Of those that are stored: an inode is compared much faster than a file, and a daemon may send hundreds a thousand times a second. */
const INODES = new WeakMap<Stored, string>();

/** What one daemon has stored (FDSTORE=1), in the order in which it came. */
export class DescriptorStore implements StoredDescriptors {
  #stored: readonly Stored[] = [];

  /**
   * Takes descriptors in. One that is there already is closed: a daemon stores what it got once more.
   * @param most in all. @returns how many were closed because there was no room, for them or for their names.
   */
  add(fds: readonly number[], { name, watched }: Omit<Stored, 'descriptor'>, most: number): number {
    if (this.#stored.length + fds.length > most) this.#sweep();
    const all = [...this.#stored];
    let names = all.reduce((sum, one) => sum + one.name.length + 1, 0);
    let refused = 0;
    for (const fd of fds) {
      const inode = inodeAt(fd);
      const known = all.some((one) => inodeOf(one) === inode && addon().isSameFile(one.descriptor.fd, fd));
      if (!known && all.length < most && names + name.length < LONGEST_NAMES) {
        const one = { descriptor: { fd }, name, watched };
        INODES.set(one, inode);
        all.push(one);
        names += name.length + 1;
        continue;
      }
      closeSync(fd);
      if (!known) refused++;
    }
    this.#stored = all;
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

function inodeOf(one: Stored): string {
  const inode = INODES.get(one) ?? inodeAt(one.descriptor.fd);
  INODES.set(one, inode);
  return inode;
}

function inodeAt(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}
