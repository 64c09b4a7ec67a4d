import { loadApp } from '../../config/load.ts';
import type { Host } from '../../host/host.ts';
import { platforms } from '../../platform/index.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { ConfigChanges } from '../control/config-changes.ts';
import { EventHub } from '../control/event-hub.ts';
import { isOver, untilOver, untilUp } from '../control/outcome.ts';
import { idleRecord, type StatusRecord, statusRecord } from '../control/status-record.ts';
import { FirewallWatch } from '../firewall-watch.ts';
import { Compressor } from '../logs/compress.ts';
import { chooseDaemons, type Prepared, prepare } from '../prepare.ts';
import { DaemonGroup } from '../state/group.ts';
import { type Dependencies, dependenciesOf, dependentsOf, requirementsOf } from '../state/order.ts';
import { Unit } from './unit.ts';

export interface SupervisorOptions {
  readonly paths: Paths;
  readonly host: Host;
  /** One line about what happens. */
  readonly log: (line: string) => void;
}

/** What a verb is about: an app, or one daemon of it. */
export interface Target {
  readonly app: string;
  readonly daemon: string | undefined;
}

/** What became of the daemons that a verb was about. */
export interface Outcome {
  readonly daemons: readonly { readonly app: string; readonly daemon: string; readonly done: string }[];
}

/** All that goes with one app. */
interface AppState {
  readonly units: Map<string, Unit>;
  /** Preparing and replacing of units goes one after the other; waiting for daemons does not. */
  work: Promise<unknown>;
  firewall: FirewallWatch | undefined;
  changes: ConfigChanges | undefined;
  group: DaemonGroup | undefined;
  dependencies: Dependencies;
}

type Plans = Prepared['plans'];

/** Keeps the daemons of all apps of a node, in one process in the background. */
export class Supervisor {
  readonly events = new EventHub();
  readonly #options: SupervisorOptions;
  readonly #apps = new Map<string, AppState>();
  readonly #compressor = new Compressor();
  #ending = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Starts what does not run yet, and what that depends on, with the configuration as it is now.
   * @throws MetactlError why it could not be started.
   */
  async start(target: Target, wait: boolean, gone?: AbortSignal): Promise<Outcome> {
    const { started, running } = await this.#exclusively(target.app, async (app) => {
      const { prepared, plans } = await this.#prepare(target);
      const idle = plans.filter(({ daemon }) => !isAlive(app.units.get(daemon)));
      for (const { daemon } of idle) await app.units.get(daemon)?.settle();
      const running = plans.filter((plan) => !idle.includes(plan)).map(({ daemon }) => app.units.get(daemon)!);
      const started = this.#begin(app, prepared, idle);
      // One that is being stopped is up again afterwards.
      app.group?.start(plans.map(({ daemon }) => daemon));
      return { started, running };
    });
    if (wait) await allOf([...started, ...running].map((unit) => untilUp(unit.daemon, gone)));
    return {
      daemons: [
        ...started.map((unit) => told(unit, wait ? 'is up' : 'is being started')),
        ...running.map((unit) => told(unit, 'was running')),
      ],
    };
  }

  /**
   * Stops the daemons and what depends on them, the last first.
   * @throws MetactlError METACTL_NOT_RUNNING (3) where none runs.
   */
  async stop(target: Target, wait: boolean, gone?: AbortSignal): Promise<Outcome> {
    const asked = this.#unitsOf(target).filter(isAlive);
    if (asked.length === 0) throw notRunning(target);
    const { app, units } = this.#stop(target, asked);
    if (wait) await this.#ended(app, units, gone);
    return { daemons: units.map((unit) => told(unit, wait ? 'is stopped' : 'is being stopped')) };
  }

  /**
   * Stops what runs, with what depends on it, and starts it again, with the configuration as it is now: one with errors
   * changes nothing.
   * @throws MetactlError METACTL_NOT_RUNNING (3) where none runs; why it could not be started.
   */
  async restart(target: Target, wait: boolean, gone?: AbortSignal): Promise<Outcome> {
    const started = await this.#exclusively(target.app, async (app) => {
      const old = this.#unitsOf(target).filter(isAlive);
      if (old.length === 0) throw notRunning(target);
      const along = old.flatMap(({ name }) => [...dependentsOf(app.dependencies, name)]);
      const { prepared, plans } = await this.#prepare(
        target,
        along.filter((name) => isAlive(app.units.get(name))),
      );
      const { units } = this.#stop(target, old);
      await Promise.all(units.map((unit) => untilOver(unit.daemon)));
      const again = plans.filter(({ daemon }) => !isAlive(app.units.get(daemon)));
      for (const { daemon } of again) await app.units.get(daemon)?.settle();
      const started = this.#begin(app, prepared, again);
      app.group?.start(again.map(({ daemon }) => daemon));
      return started;
    });
    if (wait) await allOf(started.map((unit) => untilUp(unit.daemon, gone)));
    return { daemons: started.map((unit) => told(unit, wait ? 'is up again' : 'is being started again')) };
  }

  /** Sends each daemon its reload signal. @throws MetactlError METACTL_NOT_RUNNING (3) */
  async reload(target: Target): Promise<Outcome> {
    const units = this.#unitsOf(target).filter((unit) => unit.daemon.reload());
    if (units.length === 0) throw notRunning(target);
    return { daemons: units.map((unit) => told(unit, 'was told to reload')) };
  }

  /** As it is now, in the order in which they were started. */
  status(target?: Target): StatusRecord[] {
    const apps = target === undefined ? [...this.#apps.values()] : [this.#apps.get(target.app)];
    return apps
      .flatMap((app) => (app === undefined ? [] : this.#recordsOf(app)))
      .filter(({ daemon }) => (target?.daemon ?? daemon) === daemon);
  }

  /** Names of the apps that it knows of. */
  apps(): string[] {
    return [...this.#apps.keys()];
  }

  /** Stops everything, the app last started first, and takes no more starts. */
  async end(): Promise<void> {
    this.#ending = true;
    const apps = [...this.#apps.entries()].reverse();
    for (const [, { group }] of apps) group?.stop();
    await Promise.all(apps.map(([, app]) => this.#ended(app, [...app.units.values()])));
    this.#compressor.stop();
  }

  /** Resolves the names of all firewalls again, at once. */
  renewFirewalls(): void {
    for (const { firewall } of this.#apps.values()) firewall?.renew();
  }

  /** Ends everything at once: somebody is in a hurry. */
  kill(): void {
    for (const { group } of this.#apps.values()) group?.kill();
  }

  #app(name: string): AppState {
    const known = this.#apps.get(name);
    if (known !== undefined) return known;
    const app: AppState = {
      units: new Map(),
      work: Promise.resolve(),
      firewall: undefined,
      changes: undefined,
      group: undefined,
      dependencies: new Map(),
    };
    this.#apps.set(name, app);
    return app;
  }

  #unitsOf({ app, daemon }: Target): Unit[] {
    const units = [...(this.#apps.get(app)?.units.values() ?? [])];
    return daemon === undefined ? units : units.filter(({ name }) => name === daemon);
  }

  async #exclusively<T>(name: string, work: (app: AppState) => Promise<T>): Promise<T> {
    if (this.#ending) throw isEnding();
    const app = this.#app(name);
    const result = app.work.then(() => {
      if (this.#ending) throw isEnding();
      return work(app);
    });
    app.work = result.catch(() => {});
    try {
      return await result;
    } finally {
      if (app.units.size === 0) this.#apps.delete(name);
    }
  }

  /** Plans of what a verb is about, of what that depends on, and of `more`. */
  async #prepare({ app, daemon }: Target, more: readonly string[] = []): Promise<{ prepared: Prepared; plans: Plans }> {
    const { paths } = this.#options;
    const config = loadApp(paths, app, platforms);
    const dependencies = dependenciesOf(config, config.daemons);
    const asked = daemon === undefined ? [] : [daemon, ...more];
    const names = new Set(asked.flatMap((name) => [name, ...requirementsOf(dependencies, name)]));
    const only = names.size === 1 ? daemon : undefined;
    const prepared = await prepare(paths, app, { daemon: only, sandbox: true, start: true });
    const plans = prepared.plans.filter((plan) => names.size === 0 || names.has(plan.daemon));
    // Said by `prepare` where it is the only one.
    if (daemon !== undefined) chooseDaemons(config, daemon);
    for (const warning of prepared.warnings) this.#warn({ app, name: plans[0]!.daemon }, warning);
    return { prepared, plans };
  }

  /** Makes units of plans, and a group of all of the app's. */
  #begin(app: AppState, prepared: Prepared, plans: Plans): Unit[] {
    if (plans.length === 0) return [];
    const { paths, host } = this.#options;
    const units = plans.map(
      (plan) =>
        new Unit(prepared, plan, {
          host,
          compressor: this.#compressor,
          onEvent: ({ app: name, name: daemon }, event, status) => {
            this.events.add(name, daemon, event, status);
          },
          onWarning: (unit, text) => this.#warn(unit, text),
        }),
    );
    for (const unit of units) app.units.set(unit.name, unit);
    app.changes = new ConfigChanges(paths, prepared.config, { sandbox: true, address: prepared.lease.address });
    this.#watchFirewall(app, prepared);
    const pending = app.group?.close();
    app.dependencies = dependenciesOf(prepared.config, [...app.units.keys()]);
    app.group = new DaemonGroup(
      [...app.units.values()].map(({ daemon }) => daemon),
      app.dependencies,
    );
    for (const [name, signal] of pending ?? []) app.group.stop([name], signal);
    return units;
  }

  /** Tells them to stop, and whatever depends on them. @returns those that are stopping now, the last started first. */
  #stop(target: Target, asked: readonly Unit[]): { app: AppState; units: Unit[] } {
    const app = this.#app(target.app);
    const names = asked.map(({ name }) => name);
    const all = new Set(names.flatMap((name) => [name, ...dependentsOf(app.dependencies, name)]));
    const units = [...app.units.values()].filter((unit) => all.has(unit.name) && isAlive(unit)).reverse();
    app.group?.stop(names);
    return { app, units };
  }

  /** One watch for all daemons of an app: they share the firewall. It works through whichever is held. */
  #watchFirewall(app: AppState, { config, plans }: Prepared): void {
    const plan = plans[0]?.firewall;
    void app.firewall?.close();
    app.firewall = undefined;
    if (plan === undefined) return;
    const held = () => [...app.units.values()].find(({ handle }) => handle.isOpen)?.handle;
    const handle = {
      renewFirewall: async (to: typeof plan) => (await held()?.renewFirewall(to)) ?? true,
      keepFirewall: async () => (await held()?.keepFirewall()) ?? true,
    };
    app.firewall = new FirewallWatch(handle, plan, (line) =>
      this.#warn({ app: config.app, name: plans[0]!.daemon }, line),
    );
  }

  async #ended(app: AppState, units: readonly Unit[], gone?: AbortSignal): Promise<void> {
    await Promise.all(units.map((unit) => untilOver(unit.daemon, gone)));
    await Promise.all(units.map((unit) => unit.settle()));
    if ([...app.units.values()].some(isAlive)) return;
    await app.firewall?.close();
    app.firewall = undefined;
  }

  #warn({ app, name }: Pick<Unit, 'app' | 'name'>, text: string): void {
    this.events.warn(app, name, text.replace(/^warning: /, ''));
  }

  /** Those that were started, then the others of the configuration. */
  #recordsOf(app: AppState): StatusRecord[] {
    const units = [...app.units.values()];
    const { prepared } = units.at(-1) ?? {};
    const idle = prepared?.config.daemons.filter((daemon) => !app.units.has(daemon)) ?? [];
    return [
      ...units.map((unit) => this.#statusOf(app, unit)),
      ...idle.map((daemon) =>
        idleRecord(
          { node: prepared!.node.name, app: prepared!.config.app, daemon },
          { pid: process.pid, kind: 'standalone' },
        ),
      ),
    ];
  }

  #statusOf(app: AppState, unit: Unit): StatusRecord {
    const { prepared, daemon, handle, cpuBefore } = unit;
    return statusRecord({
      node: prepared.node.name,
      status: daemon.status(),
      usage: handle.usage(),
      cpuBefore,
      address: prepared.lease.address,
      changed: isAlive(unit) ? (app.changes?.of(unit.name, unit.fingerprint) ?? []) : [],
      supervisor: { pid: process.pid, kind: 'standalone' },
    });
  }
}

/** Something of it runs, or will. */
function isAlive(unit: Unit | undefined): boolean {
  return unit !== undefined && !isOver(unit.daemon.status());
}

function told({ app, name }: Unit, done: string): Outcome['daemons'][number] {
  return { app, daemon: name, done };
}

/** Waits for all; then throws what the first that failed was refused for, with the others in its message. */
async function allOf(waits: readonly Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(waits)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  const errors = failures.filter((one) => one instanceof MetactlError);
  const status = errors.find(({ exitStatus }) => exitStatus !== EXIT.error)?.exitStatus ?? EXIT.error;
  throw new MetactlError(failures.map((one) => (one as Error).message).join('\n'), {
    code: errors[0]?.code ?? 'METACTL_START_FAILED',
    exitStatus: status,
    ...(errors[0]?.hint === undefined ? {} : { hint: errors[0].hint }),
  });
}

export function notRunning({ app, daemon }: Target): MetactlError {
  const what = daemon === undefined ? app : `${app}/${daemon}`;
  return new MetactlError(`${what} is not running`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `start it with \`metactl start ${app}${daemon === undefined ? '' : ` ${daemon}`}\``,
    exitStatus: EXIT.notRunning,
  });
}

function isEnding(): MetactlError {
  return new MetactlError('the supervisor is ending', {
    code: 'METACTL_ENDING',
    hint: 'try again when it has ended: metactl start starts another',
  });
}
