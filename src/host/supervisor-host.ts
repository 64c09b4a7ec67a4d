import type { Paths } from '../util/paths.ts';
import type { Peer } from './dial.ts';
import type { Descriptor } from './handover.ts';

/** A supervisor of this boot that went without a word: it was killed, or it crashed. */
export interface LostSupervisor {
  readonly pid: number;
  /** When it began. Milliseconds since the epoch. */
  readonly since: number;
  /** What it ran then, as far as that is still on record: it ended with it. */
  readonly daemons: readonly { readonly app: string; readonly daemon: string }[];
  /** The kernel's own words, where it killed it for want of memory and still tells. */
  readonly killedFor: string | undefined;
}

export interface SupervisorHold {
  /** The lock is this descriptor's. It may become another one by `renew`. */
  readonly lock: Descriptor;
  /** The one before, where it did not end by itself. */
  readonly lost: LostSupervisor | undefined;
  /** Notes that this process is the supervisor, until `release`: whoever comes after a kill finds it. */
  note(): void;
  /** Whether the lock is the one that others find at its path. */
  isThere(): boolean;
  /** Takes the lock anew at its path, where somebody has removed it. @returns whether this process has it now. */
  renew(): boolean;
  release(): void;
}

/** What only one process of a node can be, and what others see of it. */
export interface SupervisorHost {
  /**
   * Takes the lock that only one standalone supervisor of this root can hold; the kernel lets go of it when this process
   * ends. @returns undefined where another one has it, also where its file was removed meanwhile.
   */
  holdSupervisor(paths: Paths): SupervisorHold | undefined;
  /** That hold, in the process that takes this one's place. */
  takeOverSupervisor(paths: Paths, lock: Descriptor): SupervisorHold;
  /** The one that has the lock, as far as it can be known. */
  holderOfSupervisor(paths: Paths): Peer | undefined;
  /** Whether there has been one since the machine was started, also if it has ended. */
  wasSupervised(paths: Paths): boolean;
}
