import type { Paths } from '../util/paths.ts';
import type { Descriptor } from './handover.ts';

export interface SupervisorHold {
  /** The lock is this descriptor's. */
  readonly lock: Descriptor;
  release(): void;
}

/** What only one process of a node can be, and what others see of it. */
export interface SupervisorHost {
  /**
   * Takes the lock that only one standalone supervisor of this root can hold; the kernel lets go of it when this process
   * ends. @returns undefined where another one has it.
   */
  holdSupervisor(paths: Paths): SupervisorHold | undefined;
  /** That hold, in the process that takes this one's place. */
  takeOverSupervisor(lock: Descriptor): SupervisorHold;
  /** Whether there has been one since the machine was started, also if it has ended. */
  wasSupervised(paths: Paths): boolean;
}
