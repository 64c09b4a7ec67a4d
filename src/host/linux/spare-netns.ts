import { closeSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkPlan } from '../../sandbox/plan.ts';
import { NETNS_DIRECTORY } from './network-name.ts';
import { networkAddon, type PendingNetns } from './network-native.ts';

/**
 * The network namespace of an app that has none yet, begun before it is known where it goes: the kernel takes half a
 * millisecond for it, during which locks are taken and records written. It has no name, so nothing of it can be left.
 */
export class SpareNetns {
  #pending: PendingNetns | undefined;

  constructor(pending: PendingNetns | undefined) {
    this.#pending = pending;
  }

  /** Hands it over, once. */
  take(): PendingNetns | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  /** Lets go of one that was not needed. */
  discard(): void {
    const pending = this.take();
    if (pending === undefined) return;
    try {
      closeSync(networkAddon().finishNetns(pending));
    } catch {
      // There is none to let go of; whoever needs one will be told why.
    }
  }
}

/** Begins one where the plan needs it. Never fails: what can't be begun is made when it is needed. */
export function beginNetns(plan: NetworkPlan): SpareNetns {
  if (!('netns' in plan) || existsSync(join(NETNS_DIRECTORY, plan.netns))) return new SpareNetns(undefined);
  try {
    return new SpareNetns(networkAddon().startNetns());
  } catch {
    return new SpareNetns(undefined);
  }
}
