import { closeSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkPlan } from '../../sandbox/plan.ts';
import { NETNS_DIRECTORY } from './network-name.ts';
import { networkAddon, type PendingNetns } from './network-native.ts';

/**
 * The network namespace of an app that has none yet, begun before it is known where it goes: the kernel takes half a
 * millisecond for it, three times as much while it takes another one away. It has no name and nothing in it, so nothing of
 * it can be left.
 */
export class SpareNetns {
  #pending: PendingNetns | undefined;
  readonly #done: () => void;

  constructor(pending: PendingNetns | undefined, done: () => void = () => {}) {
    this.#pending = pending;
    this.#done = done;
  }

  /** Hands it over, once. */
  take(): PendingNetns | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  /** Lets go of one that was not needed. */
  discard(): void {
    this.#done();
    letGo(this.take());
  }
}

function begin(): PendingNetns | undefined {
  try {
    return networkAddon().startNetns();
  } catch {
    // What can't be begun is made when it is needed, and whoever needs it is told why not.
    return undefined;
  }
}

function letGo(pending: PendingNetns | undefined): void {
  if (pending === undefined) return;
  try {
    closeSync(networkAddon().finishNetns(pending));
  } catch {
    // It was never made.
  }
}

/** Names of those that have been begun: the app's other daemons that start at the same moment need none of their own. */
const begun = new Set<string>();

/** Where a plan needs one: the one that is kept, or one begun now. Never fails. To be discarded in the end. */
export function beginNetns(plan: NetworkPlan): SpareNetns {
  if (!('netns' in plan) || begun.has(plan.netns) || existsSync(join(NETNS_DIRECTORY, plan.netns))) {
    return new SpareNetns(undefined);
  }
  begun.add(plan.netns);
  const taken = kept ?? begin();
  kept = undefined;
  if (holders > 0) keepAnother();
  return new SpareNetns(taken, () => begun.delete(plan.netns));
}

/** A supervisor of several apps keeps one namespace ready for the next of them. */
let kept: PendingNetns | undefined;
let holders = 0;
let timer: NodeJS.Timeout | undefined;
/** Not at once: the app that has just taken one is to start first. ms */
const DELAY = 50;

function keepAnother(): void {
  timer ??= setTimeout(() => {
    timer = undefined;
    if (holders > 0) kept ??= begin();
  }, DELAY).unref();
}

/** Called for each daemon that is held; @returns what to call when it no longer is. With the last one goes what is kept. */
export function holdNetns(): () => void {
  holders++;
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    holders--;
    if (holders > 0) return;
    clearTimeout(timer);
    timer = undefined;
    letGo(kept);
    kept = undefined;
  };
}
