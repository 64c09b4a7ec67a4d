import { closeSync, fstatSync, openSync } from 'node:fs';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import { addon, type StageGuard } from './addon.ts';
import type { StagedPlan } from './encode.ts';
import { type SharedRoots, sharedRootsOf } from './encoded-plans.ts';
import { type BuiltStage, isUpToDate, makeNodeStage } from './node-stages.ts';
import { buildStage, makeEmptyStage, stagesDisabled } from './stage-build.ts';

interface Built extends BuiltStage {
  /** Inode of the network namespace whose devices its /sys shows. */
  readonly netns: number;
  readonly guard: StageGuard;
}

/** The stages of one app in this process; its daemons usually share a single one. Get it by `openAppStages`. */
export class AppStages {
  readonly #built = new Map<string, Built>();
  /** Shared roots that are being made, or could not be made. */
  readonly #tried = new Map<string, Promise<void>>();
  #closed = false;

  /** Descriptor of a stage that fits the plan and is up to date; undefined where the launch has to build all of its root. */
  ready(plan: SandboxPlan, netns: number): number | undefined {
    if (stagesDisabled() || this.#built.size === 0) return undefined;
    const { key } = sharedRootsOf(plan).app;
    const found = this.#built.get(key);
    if (found === undefined) return undefined;
    if (found.netns === fstatSync(netns).ino && isUpToDate(found)) return found.mounts;
    this.#forget(key);
    return undefined;
  }

  /** The stage for the plan, up to date or not; undefined where there is none. */
  find(plan: SandboxPlan, netns: number): Pick<Built, 'mounts' | 'guard'> | undefined {
    const found = stagesDisabled() ? undefined : this.#built.get(sharedRootsOf(plan).app.key);
    return found?.netns === fstatSync(netns).ino ? found : undefined;
  }

  /** Makes a stage for later launches of this plan, in the background. Never fails. */
  prepare(plan: SandboxPlan, netns: number, idmap?: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const shared = sharedRootsOf(plan);
    const { key, root } = shared.app;
    if (this.#built.has(key) || root.steps.length === 0) return Promise.resolve();
    let making = this.#tried.get(key);
    if (making === undefined) {
      making = this.#make(shared, netns, idmap);
      this.#tried.set(key, making);
    }
    return making;
  }

  /** Settled when none is in the making. */
  get made(): Promise<unknown> | undefined {
    return this.#tried.size === 0 ? undefined : Promise.all(this.#tried.values());
  }

  async #make(shared: SharedRoots, ofDaemon: number, idmap: number | undefined): Promise<void> {
    // Its own descriptor: the daemon may end, and its number become another file's, while this waits.
    const netns = openSync(`/proc/self/fd/${ofDaemon}`, 'r');
    try {
      const from = await sourceFor(shared);
      if (from === undefined || stagesDisabled() || this.#closed) return;
      const built = await buildShared(shared, from, netns, idmap);
      if (this.#closed) {
        closeSync(built.mounts);
      } else {
        this.#built.set(shared.app.key, built);
        this.#tried.delete(shared.app.key);
      }
    } catch {
      // A start that fails for the same reason will say so.
    } finally {
      closeSync(netns);
    }
  }

  /** Lets go of the namespaces, and with them of the app's /tmp and the like. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#built.keys()]) this.#forget(key);
  }

  #forget(key: string): void {
    const found = this.#built.get(key);
    this.#built.delete(key);
    if (found === undefined) return;
    found.guard.close();
    closeSync(found.mounts);
  }
}

async function buildShared(
  shared: SharedRoots,
  { mounts, staged }: StageSource,
  netns: number,
  idmap: number | undefined,
): Promise<Built> {
  const { sources } = shared.app;
  const ids = addon().fileIds(sources);
  const inode = fstatSync(netns).ino;
  const built = await buildStage(staged, mounts, netns, idmap);
  return { mounts: built, netns: inode, sources, ids, guard: addon().guardStage(built, sources, ids) };
}

/** What an app's stage is built on, and what it adds to that. */
interface StageSource {
  readonly mounts: number;
  readonly staged: StagedPlan;
}

/** The node's stage if it can be had, or the empty one. */
async function sourceFor({ app, node, onNode }: SharedRoots): Promise<StageSource | undefined> {
  const common = node === undefined || onNode === undefined ? undefined : await makeNodeStage(node);
  if (common !== undefined) return { mounts: common, staged: onNode! };
  const empty = await makeEmptyStage();
  return empty === undefined ? undefined : { mounts: empty, staged: app.staged };
}

const open = new Map<string, { readonly stages: AppStages; holders: number }>();

/** Milliseconds: one takes about two, and a start goes on without. */
const LONGEST_WAIT = 100;

/** Waits for what is in the making of the app's stages, for a moment: of many launches to come each is faster by more than this takes. */
export async function untilStagesMade(key: string): Promise<void> {
  const made = open.get(key)?.stages.made;
  if (made === undefined) return;
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LONGEST_WAIT);
  });
  await Promise.race([made, patience]);
  clearTimeout(timer);
}

/** What a daemon holds while it may be started again. */
export interface StagesHold {
  readonly stages: AppStages;
  /** As `AppStages.prepare`, unless the hold has been released: then `netns` may be closed, or another file. */
  readonly prepare: AppStages['prepare'];
  /** The last holder of the app closes its stages. */
  release(): void;
}

/** The stages of the app that `key` stands for, shared by its daemons in this process. */
export function openAppStages(key: string): StagesHold {
  const entry = open.get(key) ?? { stages: new AppStages(), holders: 0 };
  entry.holders++;
  open.set(key, entry);
  let held = true;
  return {
    stages: entry.stages,
    prepare: (...what) => (held ? entry.stages.prepare(...what) : Promise.resolve()),
    release() {
      if (!held) return;
      held = false;
      entry.holders--;
      if (entry.holders > 0) return;
      entry.stages.close();
      open.delete(key);
    },
  };
}
