import type { AppHandle, AppRequest, DaemonSandbox, Host, StdioPlan, Usage } from '../../host/host.ts';
import type { NotifySocket } from '../../host/notify.ts';
import type { FirewallPlan, SandboxPlan } from '../../sandbox/plan.ts';

/**
 * A hold on an app's shared objects that is taken by the first start and given back when the daemon is over, so that a
 * stopped daemon keeps nothing, and can be started again.
 */
export class LazyApp implements AppHandle {
  readonly #host: Pick<Host, 'openApp'>;
  readonly #request: AppRequest;
  #handle: AppHandle | undefined;
  #work: Promise<unknown> = Promise.resolve();

  constructor(host: Pick<Host, 'openApp'>, request: AppRequest) {
    this.#host = host;
    this.#request = request;
  }

  get notify(): NotifySocket | undefined {
    return this.#handle?.notify;
  }

  /** Whether it is held now. */
  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  start(plan: SandboxPlan, io: StdioPlan): Promise<DaemonSandbox> {
    return this.#next(async () => {
      this.#handle ??= await this.#host.openApp(this.#request);
      return this.#handle.start(plan, io);
    });
  }

  async renewFirewall(plan: FirewallPlan): Promise<boolean> {
    return (await this.#handle?.renewFirewall(plan)) ?? true;
  }

  async keepFirewall(): Promise<boolean> {
    return (await this.#handle?.keepFirewall()) ?? true;
  }

  usage(): Usage | undefined {
    return this.#handle?.usage();
  }

  /** Nothing of the daemon may run. What failed before does not matter: this begins anew. */
  close(): Promise<void> {
    return this.#next(async () => {
      const handle = this.#handle;
      this.#handle = undefined;
      await handle?.close();
    });
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work, work);
    this.#work = result.catch(() => {});
    return result;
  }
}
