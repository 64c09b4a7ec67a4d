import type { Handed } from '../../host/handover.ts';
import type { AppHandle, AppRequest, DaemonSandbox, Host, StdioPlan, Usage } from '../../host/host.ts';
import type { NotifySocket, StoredDescriptors } from '../../host/notify.ts';
import type { FirewallPlan, SandboxPlan } from '../../sandbox/plan.ts';
import type { Gate } from '../handover/gate.ts';

/**
 * A hold on an app's shared objects that is taken by the first start and given back when the daemon is over, so that a
 * stopped daemon keeps nothing, and can be started again.
 */
export class LazyApp {
  readonly #host: Pick<Host, 'openApp'>;
  readonly #request: AppRequest;
  readonly #gate: Gate;
  #handle: AppHandle | undefined;
  /** What the daemon has left for its next start, while nothing is held. */
  #stored: StoredDescriptors | undefined;
  #keepsStored = false;
  #work: Promise<unknown> = Promise.resolve();
  #underWay = 0;

  /** @param gate nothing is begun while it is closed. @param handle of the process before, if that held one. */
  constructor(host: Pick<Host, 'openApp'>, request: AppRequest, gate: Gate, handle?: AppHandle) {
    this.#host = host;
    this.#request = request;
    this.#gate = gate;
    this.#handle = handle;
  }

  get notify(): NotifySocket | undefined {
    return this.#handle?.notify;
  }

  /** Whether it is held now. */
  get isOpen(): boolean {
    return this.#handle !== undefined;
  }

  /** Takes hold of it. @returns undefined where it is held already. */
  open(): Promise<void> | undefined {
    if (this.#handle !== undefined) return undefined;
    return this.#next(async () => {
      this.#handle ??= await this.#open();
    });
  }

  start(plan: SandboxPlan, io: StdioPlan): Promise<DaemonSandbox> {
    const handle = this.#handle;
    // At once, in this very turn: a daemon that has died is to be back.
    if (handle !== undefined && this.#underWay === 0) return this.#track(this.#gate.pass(() => handle.start(plan, io)));
    return this.#next(async () => {
      this.#handle ??= await this.#open();
      return this.#handle.start(plan, io);
    });
  }

  /** The end to come is that of a restart: what the daemon has left for its next start is kept over `close`. */
  keepStored(): void {
    this.#keepsStored = true;
  }

  /** Hands it over to the handle of the next start, or to whoever closes it. */
  takeStored(): StoredDescriptors | undefined {
    const stored = this.#stored;
    this.#stored = undefined;
    this.#keepsStored = false;
    return stored;
  }

  putStored(stored: StoredDescriptors | undefined): void {
    this.#stored = stored;
  }

  takeUp(plan: SandboxPlan, io: StdioPlan): DaemonSandbox | undefined {
    return this.#handle?.takeUp(plan, io);
  }

  /** Undefined where it can't be handed over now. */
  handOver(): { readonly handed: Handed | undefined } | undefined {
    const handed = this.#handle?.handOver();
    return this.#handle !== undefined && handed === undefined ? undefined : { handed };
  }

  async renewFirewall(plan: FirewallPlan): Promise<boolean> {
    return (await this.#handle?.renewFirewall(plan)) ?? true;
  }

  async keepFirewall(): Promise<boolean> {
    return (await this.#handle?.keepFirewall()) ?? true;
  }

  cpuUsec(): number {
    return this.#handle?.cpuUsec() ?? 0;
  }

  async lookWhereItListens(): Promise<void> {
    await this.#handle?.lookWhereItListens();
  }

  stayFound(): void {
    this.#handle?.stayFound();
  }

  usage(): Usage | undefined {
    return this.#handle?.usage();
  }

  /** Nothing of the daemon may run. What failed before does not matter: this begins anew. */
  close(): Promise<void> {
    return this.#next(async () => {
      const handle = this.#handle;
      this.#handle = undefined;
      if (this.#keepsStored) this.#stored ??= handle?.notify?.release();
      else this.takeStored()?.close();
      await handle?.close();
    });
  }

  async #open(): Promise<AppHandle> {
    const handle = await this.#host.openApp(this.#request);
    const stored = this.takeStored();
    // Another configuration may have no socket.
    if (handle.notify === undefined) stored?.close();
    else if (stored !== undefined) handle.notify.restore(stored);
    return handle;
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const act = () => this.#gate.pass(work);
    return this.#track(this.#work.then(act, act));
  }

  #track<T>(result: Promise<T>): Promise<T> {
    this.#underWay++;
    const over = () => void this.#underWay--;
    this.#work = result.then(over, over);
    return result;
  }
}
