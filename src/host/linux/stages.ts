import { closeSync, fstatSync, openSync } from 'node:fs';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import { addon } from './addon.ts';
import { encodeStage, type RootPart, type StagedPlan } from './encode.ts';
import { type SharedRoot, sharedRootOf } from './encoded-plans.ts';
import { nativeFiles } from './native-files.ts';
import { spawnInit } from './spawn.ts';

/*
 * Stages: mount namespaces that launches start from instead of a copy of the host's. What a launch costs so does not grow
 * with the number of mounts on the host, and the static part of an app's root is built once (launch.md, "What pays" 3).
 *
 * The empty stage is one per process. It holds nothing; host mounts are handed over as detached trees. An app's stage
 * holds the shared part of its root. Both are made in the background after a start, never before one, and where they
 * can't be made, launches go on without.
 */

const EMPTY_ROOT: RootPart = {
  steps: [
    {
      op: 'tmpfs',
      target: '/',
      size: 4096,
      mode: 0o755,
      readOnly: true,
      noSuid: true,
      noDev: true,
      noExec: true,
      shared: true,
    },
  ],
  masked: [],
  readOnly: [],
};

let empty: number | undefined;
let emptyInMaking: Promise<number | undefined> | undefined;
let disabled = false;

/** Descriptor of the empty stage, once it is made. */
export function emptyStage(): number | undefined {
  return disabled ? undefined : empty;
}

/** For a kernel that makes stages but does not let anybody into them: launches start from the host's mounts again. */
export function disableStages(): void {
  disabled = true;
}

/** Makes the empty stage unless it is there. @returns undefined where that can't be. */
export function makeEmptyStage(): Promise<number | undefined> {
  emptyInMaking ??= makeEmpty();
  return emptyInMaking;
}

async function makeEmpty(): Promise<number | undefined> {
  if (!addon().hasMountApi()) return undefined;
  try {
    empty = await build(encodeStage(EMPTY_ROOT), undefined, undefined);
  } catch {
    // Whatever forbids it here (a missing capability in a container) does not forbid plain launches.
    disableStages();
  }
  return empty;
}

/** Runs metactl-init until the root is built, takes hold of its mount namespace, and ends it. */
async function build(plan: StagedPlan, from: number | undefined, netns: number | undefined): Promise<number> {
  const memfd = addon().sealedMemfd('metactl-stage', plan.bytes, false);
  try {
    const { nothing } = nativeFiles();
    const builder = spawnInit({
      native: {
        plan: memfd,
        tasks: [],
        isolated: false,
        newMounts: true,
        newNetwork: false,
        title: 'stage',
        ...(from === undefined ? {} : { stage: from, trees: plan.trees }),
        ...(netns === undefined ? {} : { netns }),
      },
      stdio: { stdin: nothing, stdout: nothing, stderr: nothing },
      owner: { uid: 0, gid: 0 },
      endByLiveness: true,
      leftOut: [],
      oomKilled: () => false,
    });
    try {
      await builder.started;
      return openSync(`/proc/${builder.pid}/ns/mnt`, 'r');
    } finally {
      builder.kill();
      await builder.ended;
    }
  } finally {
    closeSync(memfd);
  }
}

/** A built stage, good as long as what it shows of the host is still what is there. */
interface Built {
  readonly mounts: number;
  readonly netns: number;
  readonly sources: readonly string[];
  readonly ids: Uint8Array;
}

/** The stages of one app in this process; its daemons usually share a single one. Get it by `openAppStages`. */
export class AppStages {
  readonly #built = new Map<string, Built>();
  /** Shared roots that are being made, or could not be made. */
  readonly #tried = new Map<string, Promise<void>>();
  #closed = false;

  /** Descriptor of a stage that fits the plan and is up to date; undefined where the launch has to build all of its root. */
  ready(plan: SandboxPlan, netns: number): number | undefined {
    if (disabled) return undefined;
    const { key } = sharedRootOf(plan);
    const found = this.#built.get(key);
    if (found === undefined) return undefined;
    if (found.netns === fstatSync(netns).ino && sameBytes(found.ids, addon().fileIds(found.sources)))
      return found.mounts;
    this.#forget(key);
    return undefined;
  }

  /** Makes a stage for later launches of this plan, in the background. Never fails. */
  prepare(plan: SandboxPlan, netns: number): Promise<void> {
    const shared = sharedRootOf(plan);
    if (this.#closed || this.#built.has(shared.key) || shared.root.steps.length === 0) return Promise.resolve();
    let making = this.#tried.get(shared.key);
    if (making === undefined) {
      making = this.#make(shared, netns);
      this.#tried.set(shared.key, making);
    }
    return making;
  }

  async #make(shared: SharedRoot, netns: number): Promise<void> {
    const from = await makeEmptyStage();
    if (from === undefined || disabled || this.#closed) return;
    try {
      const built = await buildShared(shared, from, netns);
      if (this.#closed) {
        closeSync(built.mounts);
      } else {
        this.#built.set(shared.key, built);
        this.#tried.delete(shared.key);
      }
    } catch {
      // A start that fails for the same reason will say so.
    }
  }

  /** Lets go of the namespaces, and with them of the app's /tmp and the like. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#built.keys()]) this.#forget(key);
  }

  #forget(key: string): void {
    const found = this.#built.get(key);
    if (found !== undefined) closeSync(found.mounts);
    this.#built.delete(key);
  }
}

async function buildShared(shared: SharedRoot, from: number, netns: number): Promise<Built> {
  // Before building: what changes meanwhile then makes the stage look outdated, not up to date.
  const ids = addon().fileIds(shared.sources);
  const inode = fstatSync(netns).ino;
  return { mounts: await build(shared.staged, from, netns), netns: inode, sources: shared.sources, ids };
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

const open = new Map<string, { readonly stages: AppStages; holders: number }>();

/** What a daemon holds while it may be started again. */
export interface StagesHold {
  readonly stages: AppStages;
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
