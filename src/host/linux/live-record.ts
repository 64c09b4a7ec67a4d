import { fstatSync } from 'node:fs';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { AppRequest } from '../host.ts';
import { readIdentity } from './identity.ts';
import { removeLive, writeLive } from './live.ts';

/**
 * The live state of one daemon over all of its starts. It is a hint, verified by whoever reads it, so nothing waits for it:
 * that of a daemon that has ended stays until the next start replaces it, or until it is clear that there is none.
 */
export class LiveRecord {
  readonly #request: AppRequest;
  /** Descriptor of the app's user namespace. */
  readonly #user: number | undefined;
  #removal: NodeJS.Immediate | undefined;

  constructor(request: AppRequest, user: number | undefined) {
    this.#request = request;
    this.#user = user;
  }

  /** What can't be written must not end a daemon that runs, nor start another: it is told. */
  write(pid: number, plan: SandboxPlan): void {
    this.keep();
    try {
      this.#write(pid, plan);
    } catch (error) {
      const { code = 'EIO' } = error as NodeJS.ErrnoException;
      this.#request.onWarning?.(
        `can't write the live state of ${plan.app}/${plan.daemon} in ${this.#request.paths.run}: ${code}; exec and shell won't find it`,
      );
    }
  }

  /** Another start is under way, which will write its own. */
  keep(): void {
    clearImmediate(this.#removal);
    this.#removal = undefined;
  }

  /** After whatever is done at once: a restart comes before it, and leaves it nothing to do. */
  removeSoon(): void {
    this.#removal ??= setImmediate(() => {
      this.#removal = undefined;
      const { paths, app, daemon } = this.#request;
      try {
        removeLive(paths, app, daemon);
      } catch {
        // Whoever gives up the daemon's lock tries again, and tells.
      }
    });
  }

  #write(pid: number, plan: SandboxPlan): void {
    const { paths, app, daemon } = this.#request;
    const identity = readIdentity(pid);
    // Already gone: its end tells why.
    if (identity === undefined) return;
    const address = 'address' in plan.network ? { address: plan.network.address } : {};
    const network = plan.sandboxed ? plan.network.mode : 'host';
    const first = plan.userNamespace?.first;
    const ids =
      first === undefined || this.#user === undefined ? {} : { ids: { first, inode: fstatSync(this.#user).ino } };
    const found = { ...address, network, ...ids };
    const live = { app, daemon, ...identity, ...found, supervisor: process.pid, startedAt: Date.now() };
    writeLive(paths, live, plan);
  }
}
