import { closeSync, openSync } from 'node:fs';
import { addon } from './addon.ts';
import { encodeStage, type RootPart, type StagedPlan } from './encode.ts';
import { nativeFiles } from './native-files.ts';
import { spawnInit } from './spawn.ts';

/*
 * Stages: mount namespaces that launches start from instead of a copy of the host's. What a launch costs so does not grow
 * with the number of mounts on the host, and the static part of a root is built once (launch.md, "What pays" 3).
 *
 * The empty stage is one per process. It holds nothing; host mounts are handed over as detached trees. The node's stage
 * holds what is the same for all apps, an app's the shared part of its root. All are made in the background after a start,
 * never before one (of many that start together: beside the first), and where they can't be made, launches go on without.
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

export function stagesDisabled(): boolean {
  return disabled;
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
    empty = await buildStage(encodeStage(EMPTY_ROOT), undefined, undefined);
  } catch {
    // Whatever forbids it here (a missing capability in a container) does not forbid plain launches.
    disableStages();
  }
  return empty;
}

/** Runs metactl-init until the root is built, takes hold of its mount namespace, and ends it. @returns its descriptor. */
export async function buildStage(
  plan: StagedPlan,
  from: number | undefined,
  netns: number | undefined,
  idmap?: number,
): Promise<number> {
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
        ...(idmap === undefined ? {} : { idmap }),
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
