import type { Handed } from '../../host/handover.ts';
import type { AppHandle, Host } from '../../host/host.ts';
import { hideIn } from '../../util/secrets.ts';
import { isOver } from '../control/outcome.ts';
import type { Gate } from '../handover/gate.ts';
import type { Compressor } from '../logs/compress.ts';
import type { HandedLog } from '../logs/daemon-log.ts';
import { type LogLoss, LossLedger } from '../logs/loss-ledger.ts';
import type { HandedDaemon, SupervisedDaemon } from '../state/supervised.ts';
import type { DaemonEvent, DaemonStatus } from '../state/types.ts';
import { LazyApp } from './lazy-app.ts';
import { LazyLog } from './lazy-log.ts';
import { makeDaemon } from './make-daemon.ts';
import { type PackedSpec, packSpec, type UnitSpec, unpackSpec } from './unit-spec.ts';

export interface UnitOptions {
  readonly host: Host;
  readonly compressor: Compressor;
  /** While it is closed nothing is launched and nothing given back. */
  readonly gate: Gate;
  readonly onEvent: (unit: Unit, event: DaemonEvent, status: DaemonStatus) => void;
  readonly onWarning: (unit: Pick<Unit, 'app' | 'name'>, text: string) => void;
  readonly onNote: (unit: Pick<Unit, 'app' | 'name'>, text: string) => void;
}

/** What a unit hands over to the process that takes this one's place. */
export interface HandedUnit {
  readonly spec: PackedSpec;
  readonly cpuBefore: number;
  readonly daemon: HandedDaemon;
  readonly app: Handed | undefined;
  readonly log: HandedLog | undefined;
  readonly loss: LogLoss | undefined;
}

/** One daemon under the standalone supervisor, as it was prepared: another configuration makes another unit. */
export class Unit {
  readonly app: string;
  readonly name: string;
  readonly spec: UnitSpec;
  readonly daemon: SupervisedDaemon;
  readonly handle: LazyApp;
  readonly #log: LazyLog;
  readonly #ledger: LossLedger;
  readonly #tell: (text: string) => void;
  /** CPU time that earlier runs had used when this one began, microseconds. */
  cpuBefore: number;

  /** @param before what it was in the process before; call `goOn` then. */
  constructor(spec: UnitSpec, options: UnitOptions, before?: { handed: HandedUnit; app: AppHandle | undefined }) {
    const { host, compressor, gate } = options;
    const { plan, request, log, secrets } = spec;
    this.spec = spec;
    this.app = plan.app;
    this.name = plan.daemon;
    this.cpuBefore = before?.handed.cpuBefore ?? 0;
    const tell = (text: string) => options.onWarning(this, hideIn(text, secrets));
    this.#tell = tell;
    this.#ledger = new LossLedger(before?.handed.loss);
    this.handle = new LazyApp(host, { ...request, onWarning: tell }, gate, before?.app);
    this.#log = new LazyLog(
      {
        ...{ host, paths: request.paths, app: plan.app, daemon: plan.daemon, settings: log, compressor, gate },
        ...{ onProblem: tell, ledger: this.#ledger },
      },
      before?.handed.log,
    );
    this.daemon = makeDaemon(host, spec, this.handle, this.#log, (text, note) => {
      if (note === true) options.onNote(this, hideIn(text, secrets));
      else tell(text);
    });
    this.daemon.onEvent((event, status) => {
      if (event.type === 'running') this.cpuBefore = this.handle.cpuUsec();
      options.onEvent(this, event, status);
      if (isOver(status) && status.pid === undefined && this.handle.isOpen) void this.settle();
    });
  }

  /**
   * A unit of the process before. What it was doing begins with `goOn` of its daemon.
   * @throws MetactlError where what it held is not there.
   */
  static async takeOver(handed: HandedUnit, options: UnitOptions): Promise<Unit> {
    const spec = await unpackSpec(handed.spec);
    let unit: Unit | undefined;
    // Warnings may come before there is a unit.
    const onWarning = (text: string) => options.onWarning(unit ?? { app: spec.plan.app, name: spec.plan.daemon }, text);
    const request = { ...spec.request, onWarning };
    const app = handed.app === undefined ? undefined : await options.host.takeOverApp(request, handed.app);
    unit = new Unit(spec, options, { handed, app });
    return unit;
  }

  /** Goes on where the process before stopped. @param by see SupervisedDaemon. */
  goOn({ daemon, log }: HandedUnit, by: number): void {
    this.daemon.goOn(daemon, by);
    // That process may not have come to it.
    const status = this.daemon.status();
    if (isOver(status) && (this.handle.isOpen || log !== undefined)) void this.settle();
  }

  /** Lines that its log has lost since it was started by hand. */
  get loss(): LogLoss | undefined {
    return this.#ledger.loss;
  }

  /** What its start waits for besides other daemons. */
  get waitsFor(): string | undefined {
    return this.#log.waitsFor;
  }

  /** Nothing of it begins by itself while it is held. */
  hold(held: boolean): void {
    this.daemon.hold(held);
  }

  /** Stops reading its output; see DaemonLog. */
  pause(patience: number): Promise<boolean> {
    return this.#log.pause(patience);
  }

  resume(): void {
    this.#log.goOn();
  }

  /** Only while the gate is closed and nothing at work. Undefined where something is on its way: try again in a moment. */
  handOver(): HandedUnit | undefined {
    const app = this.handle.handOver();
    const log = this.#log.handOver(this.daemon.status().pid !== undefined);
    if (!this.daemon.isSteady || app === undefined || log === undefined) return undefined;
    const { cpuBefore, loss } = this;
    const spec = packSpec(this.spec);
    return { spec, cpuBefore, daemon: this.daemon.handOver(), app: app.handed, log: log.handed, loss };
  }

  /** Gives back what it held, once nothing of it runs. What can't be given back is told. */
  async settle(): Promise<void> {
    try {
      await this.handle.close();
    } catch (error) {
      this.#tell(`${(error as Error).message}; metactl gc takes away what is left`);
    }
    await this.#log.close();
  }
}
