import type { Host } from '../../host/host.ts';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import { appRequest } from '../app-request.ts';
import { type Fingerprint, fingerprintOf } from '../control/fingerprint.ts';
import { isOver } from '../control/outcome.ts';
import type { Compressor } from '../logs/compress.ts';
import type { Prepared } from '../prepare.ts';
import type { SupervisedDaemon } from '../state/supervised.ts';
import type { DaemonEvent, DaemonStatus } from '../state/types.ts';
import { LazyApp } from './lazy-app.ts';
import { LazyLog } from './lazy-log.ts';
import { makeDaemon } from './make-daemon.ts';

export interface UnitOptions {
  readonly host: Pick<Host, 'openApp'>;
  readonly compressor: Compressor;
  readonly onEvent: (unit: Unit, event: DaemonEvent, status: DaemonStatus) => void;
  readonly onWarning: (unit: Pick<Unit, 'app' | 'name'>, text: string) => void;
}

/** One daemon under the standalone supervisor, as it was prepared: another configuration makes another unit. */
export class Unit {
  readonly app: string;
  readonly name: string;
  readonly prepared: Prepared;
  readonly plan: SandboxPlan;
  readonly daemon: SupervisedDaemon;
  readonly handle: LazyApp;
  readonly fingerprint: Fingerprint;
  readonly #log: LazyLog;
  /** CPU time that earlier runs had used when this one began, microseconds. */
  cpuBefore = 0;

  constructor(prepared: Prepared, plan: SandboxPlan, options: UnitOptions) {
    this.prepared = prepared;
    this.plan = plan;
    this.app = plan.app;
    this.name = plan.daemon;
    this.fingerprint = fingerprintOf(prepared.config, plan.daemon);
    this.handle = new LazyApp(
      options.host,
      appRequest(prepared, plan, (text) => options.onWarning(this, text)),
    );
    this.#log = new LazyLog({
      ...{ prepared, daemon: plan.daemon, compressor: options.compressor },
      onProblem: (text) => options.onWarning(this, text),
    });
    this.daemon = makeDaemon(prepared, plan, this.handle, this.#log, (text) => options.onWarning(this, text));
    this.daemon.onEvent((event, status) => {
      if (event.type === 'running') this.cpuBefore = this.handle.usage()?.cpuUsec ?? 0;
      options.onEvent(this, event, status);
      if (isOver(status) && status.pid === undefined && this.handle.isOpen) this.#giveUp(options);
    });
  }

  /** Gives back what it held, once nothing of it runs. Failures have been told. */
  async settle(): Promise<void> {
    await this.handle.close().catch(() => {});
    await this.#log.close();
  }

  #giveUp({ onWarning }: UnitOptions): void {
    const failed = (error: Error) => onWarning(this, `${error.message}; metactl gc takes away what is left`);
    void this.handle
      .close()
      .catch(failed)
      .then(() => this.settle());
  }
}
