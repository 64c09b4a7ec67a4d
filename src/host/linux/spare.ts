import { closeSync, fchownSync } from 'node:fs';
import { addon, type NativeSpare, type Poll } from './addon.ts';
import type { ReadyLaunch } from './next-run.ts';

const SIGKILL = 9;
/** Milliseconds that `settle` waits for the end of one that was killed. */
const PATIENCE = 2000;

/**
 * A launch that is done up to the daemon's own process: its metactl-init has built the sandbox and waits for an order, or for the
 * end of this process. It is in none of the daemon's cgroups, and nothing of the app runs in it.
 */
export class Spare {
  readonly native: NativeSpare;
  /** Of the stage that it was made from: good only as long as a launch would start from the same. */
  readonly guard: object;
  /** When it has ended, or is another's. */
  readonly gone: Promise<void>;
  readonly #poll: Poll;
  #state: 'waiting' | 'dropped' | 'gone' = 'waiting';
  #resolve!: () => void;

  /** @param onEnd it has ended by itself. */
  constructor(native: NativeSpare, guard: object, onEnd: () => void) {
    this.native = native;
    this.guard = guard;
    this.gone = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#poll = addon().poll(native.pidfd, () => {
      const byItself = this.#state === 'waiting';
      if (this.#reap() && byItself) onEnd();
    });
  }

  /** The addon has given it the order: it is the next run, and whoever follows that has its descriptors. */
  takeIf(pid: number): void {
    if (this.#state !== 'waiting' || pid !== this.native.pid) return;
    closeSync(this.native.order);
    this.#leave();
  }

  /** Ends it, unless it has been taken. Nobody may be armed with it any more. */
  drop(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'dropped';
    addon().pidfdSendSignal(this.native.pidfd, SIGKILL);
  }

  /** Blocks until one that was dropped has ended: what takes this process's place would not reap it. @returns whether it has. */
  settle(): boolean {
    const until = performance.now() + PATIENCE;
    const nobody = new Int32Array(new SharedArrayBuffer(4));
    while (this.#state === 'dropped' && !this.#reap()) {
      if (performance.now() > until) return false;
      Atomics.wait(nobody, 0, 0, 1);
    }
    return true;
  }

  #reap(): boolean {
    if (this.#state === 'gone' || addon().waitPidfd(this.native.pidfd) === null) return false;
    const { order, pidfd, error, status, stdout, stderr, ready } = this.native;
    this.#leave();
    for (const fd of [order, pidfd, error, status, stdout, stderr]) closeSync(fd);
    if (ready !== undefined) closeSync(ready);
    return true;
  }

  #leave(): void {
    this.#state = 'gone';
    this.#poll.close();
    this.#resolve();
  }
}

/** Makes one of a launch that `canWait`. @param onEnd see Spare. @throws MetactlError where it can't be had. */
export function makeSpare(launch: ReadyLaunch, onEnd: () => void): Spare {
  const sources = (launch.spawn.trees ?? []).map(({ path }) => path);
  // Before they are bound: what comes in their place while that is done is another thing, too.
  const ids = addon().fileIds(sources);
  return new Spare(
    spawnSpare(launch, (order) => addon().guardStage(order, sources, ids).guard),
    launch.guard,
    onEnd,
  );
}

function spawnSpare(launch: ReadyLaunch, guardOf: (order: number) => object): NativeSpare {
  const kept: number[] = [];
  const given: number[] = [];
  const output = () => {
    const { read, write } = addon().pipe(true);
    kept.push(read);
    given.push(write);
    // As stdio.ts.
    fchownSync(write, launch.uid, launch.gid);
    return { read, write };
  };
  try {
    const order = addon().pipe(false);
    kept.push(order.write);
    given.push(order.read);
    const [stdout, stderr] = [output(), output()];
    const ready = launch.tellsReady ? output() : undefined;
    // What can fail without it comes before the process.
    const sources = guardOf(order.write);
    const spawned = addon().spawn({
      ...launch.spawn,
      order: order.read,
      stdout: stdout.write,
      stderr: stderr.write,
      ...(ready === undefined ? {} : { ready: ready.write }),
    });
    const ends = { order: order.write, stdout: stdout.read, stderr: stderr.read };
    return {
      ...spawned,
      ...ends,
      ...(ready === undefined ? {} : { ready: ready.read }),
      sources,
    };
  } catch (error) {
    for (const fd of kept) closeSync(fd);
    throw error;
  } finally {
    for (const fd of given) closeSync(fd);
  }
}
