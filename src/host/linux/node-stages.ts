import { closeSync } from 'node:fs';
import { addon } from './addon.ts';
import type { SharedRoot } from './encoded-plans.ts';
import { loopTurn } from './loop-turn.ts';
import { buildStage, makeEmptyStage, stagesDisabled } from './stage-build.ts';

/** A built stage, good as long as what it shows of the host is still what is there. */
export interface BuiltStage {
  /** Descriptor of its mount namespace. */
  readonly mounts: number;
  readonly sources: readonly string[];
  readonly ids: Uint8Array;
  /** The turn of the event loop in which it was last seen to be up to date. */
  checked?: number;
}

/** By the key of what they hold: apps with other devices, or started after a volume was mounted, have another one. */
const built = new Map<string, BuiltStage>();
const making = new Map<string, Promise<number | undefined>>();
/** Old ones go first: a node whose volumes change daily must not collect mount namespaces. */
const MOST = 4;

export function hasNodeStages(): boolean {
  return built.size > 0;
}

/** Descriptor of the stage that holds `common`, if it is made and up to date. */
export function nodeStage(common: SharedRoot): number | undefined {
  if (stagesDisabled()) return undefined;
  const found = built.get(common.key);
  if (found === undefined) return undefined;
  if (isUpToDate(found)) return found.mounts;
  forget(common.key);
  return undefined;
}

/** Makes it unless it is there. @returns its descriptor, undefined where it can't be made. Never fails. */
export function makeNodeStage(common: SharedRoot): Promise<number | undefined> {
  const ready = nodeStage(common);
  if (ready !== undefined) return Promise.resolve(ready);
  let pending = making.get(common.key);
  if (pending === undefined) {
    pending = make(common).finally(() => making.delete(common.key));
    making.set(common.key, pending);
  }
  return pending;
}

async function make(common: SharedRoot): Promise<number | undefined> {
  const from = await makeEmptyStage();
  if (from === undefined || stagesDisabled()) return undefined;
  try {
    // Before building: what changes meanwhile then makes the stage look outdated, not up to date.
    const ids = addon().fileIds(common.sources);
    const mounts = await buildStage(common.staged, from, undefined);
    built.set(common.key, { mounts, sources: common.sources, ids });
    for (const key of [...built.keys()].slice(0, -MOST)) forget(key);
    return mounts;
  } catch {
    // A start that fails for the same reason will say so.
    return undefined;
  }
}

/** Looks once for all the daemons that start at once. */
export function isUpToDate(stage: BuiltStage): boolean {
  const turn = loopTurn();
  if (stage.checked === turn) return true;
  const same = Buffer.compare(stage.ids, addon().fileIds(stage.sources)) === 0;
  if (same) stage.checked = turn;
  return same;
}

function forget(key: string): void {
  const found = built.get(key);
  if (found !== undefined) closeSync(found.mounts);
  built.delete(key);
}
