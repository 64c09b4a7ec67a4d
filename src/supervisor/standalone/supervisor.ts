import { loadAppAndNode } from '../../config/load.ts';
import type { Host } from '../../host/host.ts';
import { platforms } from '../../platform/index.ts';
import type { Paths } from '../../util/paths.ts';
import { ConfigChanges } from '../control/config-changes.ts';
import { EventHub } from '../control/event-hub.ts';
import { stoppedMeanwhile, untilOver } from '../control/outcome.ts';
import type { StatusRecord } from '../control/status-record.ts';
import { Gate } from '../handover/gate.ts';
import { Compressor } from '../logs/compress.ts';
import { chooseDaemons, type Prepared, prepare } from '../prepare.ts';
import { reloadText } from '../reload-text.ts';
import { DaemonGroup } from '../state/group.ts';
import { dependenciesOf, requirementsOf, withDependents } from '../state/order.ts';
import { type AppState, isAlive, isHeld, newAppState, recordsOf, stayFoundApps, watchFirewall } from './app-state.ts';
import { type Begun, isEnding, notRunning, type Outcome, type Target, untilDone } from './outcome.ts';
import {
  type Apps,
  type HandedSupervisor,
  handOverApps,
  pauseApps,
  releaseApps,
  resumeApps,
  takeOverApps,
} from './take-over.ts';
import { Unit, type UnitOptions } from './unit.ts';
import { unitSpec } from './unit-spec.ts';

export interface SupervisorOptions {
  readonly paths: Paths;
  readonly host: Host;
  /** One line about what happens. */
  readonly log: (line: string) => void;
}

type Plans = Prepared['plans'];

const STARTED = { now: 'is being started', done: 'is up' };
const STARTED_AGAIN = { now: 'is being started again', done: 'is up again' };

/** Keeps the daemons of all apps of a node, in one process in the background. */
export class Supervisor {
  readonly events = new EventHub();
  readonly #options: SupervisorOptions;
  readonly #apps: Apps = new Map<string, AppState>();
  readonly #compressor = new Compressor();
  /** What verbs do, and what daemons do by themselves: closed while this process is being replaced. */
  readonly #verbs = new Gate();
  readonly #launches = new Gate();
  /** Those that a `stop` was about: a restart that is at work on them starts them no more. */
  readonly #told = new WeakSet<Unit>();
  #ending = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Starts what does not run yet, and what that depends on, with the configuration as it is now.
   * @param began whoever asks had this supervisor started: what it runs by now was not running before.
   * @throws MetactlError why it can't be started.
   */
  start(target: Target, began = false): Promise<Begun> {
    return this.#exclusively(target.app, async (app) => {
      const { prepared, plans } = await this.#prepare(target);
      // One that waits for its next start is started with the configuration as it is now, too: it may be what was corrected.
      const old = plans.flatMap(({ daemon }) => app.units.get(daemon) ?? []).filter((unit) => !isHeld(unit));
      for (const unit of old) {
        unit.handle.keepStored();
        if (isAlive(unit)) unit.daemon.stop();
        await unit.settle();
      }
      const idle = plans.filter(({ daemon }) => !isAlive(app.units.get(daemon)));
      const running = plans.filter((plan) => !idle.includes(plan)).map(({ daemon }) => app.units.get(daemon)!);
      const toldOfRunning = running.map((unit) => {
        this.#told.delete(unit);
        const stopping = unit.daemon.isToEnd;
        const told = stopping ? STARTED_AGAIN : began ? STARTED : { now: 'was running', done: 'was running' };
        return { daemon: unit.name, ...told };
      });
      const started = this.#begin(app, prepared, idle);
      passOnStored(old, started);
      // One that is being stopped is up again afterwards.
      app.group?.start(plans.map(({ daemon }) => daemon));
      return {
        app: app.name,
        until: 'up',
        daemons: [...started.map(({ name }) => ({ daemon: name, ...STARTED })), ...toldOfRunning],
      };
    });
  }

  /**
   * Stops the daemons and what depends on them, the last first.
   * @param kill all of them at once by SIGKILL, also those that are being stopped already.
   * @throws MetactlError METACTL_NOT_RUNNING (3) where none runs.
   */
  stop(target: Target, kill = false): Promise<Begun> {
    return this.#verbs.pass(async () => {
      // What is just being prepared is to be stopped, too.
      if (!this.#unitsOf(target).some(isAlive)) await this.#apps.get(target.app)?.work;
      const asked = this.#unitsOf(target).filter(isAlive);
      if (asked.length === 0) throw notRunning(target);
      const units = this.#stop(target, asked);
      for (const unit of units) this.#told.add(unit);
      if (kill) for (const { daemon } of units) daemon.kill();
      const daemons = units.map(({ name }) => name);
      const told = { now: 'is being stopped', done: 'is stopped' };
      return { app: target.app, until: 'over', daemons: daemons.map((daemon) => ({ daemon, ...told })) };
    });
  }

  /**
   * Stops what runs, with what depends on it, and starts it again, with the configuration as it is now: one with errors
   * changes nothing.
   * @throws MetactlError METACTL_NOT_RUNNING (3) where none runs; why it can't be started.
   */
  restart(target: Target): Promise<Begun> {
    return this.#exclusively(target.app, async (app) => {
      const old = this.#unitsOf(target).filter(isAlive);
      if (old.length === 0) throw notRunning(target);
      for (const unit of app.units.values()) this.#told.delete(unit);
      const names = old.map(({ name }) => name);
      const along = [...withDependents(app.dependencies, names)].filter((name) => isAlive(app.units.get(name)));
      const { prepared, plans } = await this.#prepare(target, along);
      const units = this.#stop(target, old, ({ handle }) => handle.keepStored());
      await Promise.all(units.map((unit) => untilOver(unit.daemon)));
      const over = plans.flatMap(({ daemon }) => app.units.get(daemon) ?? []).filter((unit) => !isAlive(unit));
      for (const unit of over) await unit.settle();
      // Who said `stop` meanwhile was told that it is stopped.
      const isWanted = (unit: Unit | undefined) => !isAlive(unit) && (unit === undefined || !this.#told.has(unit));
      const again = plans.filter(({ daemon }) => isWanted(app.units.get(daemon)));
      const started = this.#begin(app, prepared, again);
      passOnStored(units, started);
      if (again.length === 0) throw stoppedMeanwhile(target);
      app.group?.start(again.map(({ daemon }) => daemon));
      const told = { now: 'is being started again', done: 'is up again' };
      return { app: app.name, until: 'up', daemons: started.map(({ name }) => ({ daemon: name, ...told })) };
    });
  }

  /**
   * Sends each daemon its reload signal, and resolves the names of the app's firewall again.
   * @throws MetactlError METACTL_NOT_RUNNING (3)
   */
  async reload({ app, daemon }: Target): Promise<Outcome> {
    const reloaded = this.#unitsOf({ app, daemon }).flatMap((unit) => {
      const done = unit.daemon.reload();
      return done === 'not-running' ? [] : [{ daemon: unit.name, done }];
    });
    if (reloaded.length === 0) throw notRunning({ app, daemon });
    const firewall = this.#apps.get(app)?.firewall;
    await firewall?.renew();
    const resolved = firewall?.hasNames === true;
    return { daemons: reloaded.map((one) => ({ app, daemon: one.daemon, done: reloadText(one.done, resolved) })) };
  }

  /** Waits for the end of what a verb has begun. @throws MetactlError why a daemon is not up; METACTL_GONE. */
  async wait({ app: name, until, daemons }: Begun, gone?: AbortSignal): Promise<void> {
    const app = this.#apps.get(name);
    const units = daemons.flatMap(({ daemon }) => app?.units.get(daemon) ?? []);
    const isToEnd = (unit: Unit) => unit.daemon.isToEnd || app?.group?.toStop.has(unit.name) === true;
    // A restart by somebody else makes another unit of it, which is waited for as well.
    const instead = async (unit: Unit) => {
      await app?.work;
      const next = app?.units.get(unit.name);
      return next === unit ? undefined : next;
    };
    await untilDone(units, until, isToEnd, gone, instead);
    if (until === 'over' && app !== undefined) await this.#idle(app);
  }

  /** As it is now, in the order in which they were started. */
  async status(target?: Target): Promise<StatusRecord[]> {
    const apps = () => (target === undefined ? [...this.#apps.values()] : [this.#apps.get(target.app)]);
    const units = apps().flatMap((app) => [...(app?.units.values() ?? [])]);
    const asked = units.filter(({ name }) => (target?.daemon ?? name) === name);
    await Promise.all(asked.map(({ handle }) => handle.lookWhereItListens()));
    // The rest is of one moment.
    return apps()
      .flatMap((app) => (app === undefined ? [] : recordsOf(app)))
      .filter(({ daemon }) => (target?.daemon ?? daemon) === daemon);
  }

  /** Its daemons are found where others look, also after somebody has removed that. @throws MetactlError of the first that isn't. */
  stayFound(): Promise<void> {
    return stayFoundApps(this.#apps);
  }

  /** Names of the apps that it knows of. */
  apps(): string[] {
    return [...this.#apps.keys()];
  }

  /** Stops everything, the app last started first, and takes no more starts. @param kill by SIGKILL. */
  async end(kill = false): Promise<void> {
    this.#ending = true;
    const apps = [...this.#apps.values()].reverse();
    for (const { group } of apps) group?.stop();
    if (kill) this.kill();
    await Promise.all(
      apps.map(async (app) => {
        await untilDone([...app.units.values()], 'over', () => true);
        await this.#idle(app);
      }),
    );
    this.#compressor.stop();
  }

  /** Resolves the names of all firewalls again, at once. */
  renewFirewalls(): void {
    for (const { firewall } of this.#apps.values()) void firewall?.renew();
  }

  /** Ends everything at once: somebody is in a hurry. */
  kill(): void {
    for (const { group } of this.#apps.values()) group?.kill();
  }

  /**
   * Begins nothing more, reads no more output, and waits until all that was begun is done and all that was read is written.
   * @throws MetactlError METACTL_BUSY where that takes longer than so many milliseconds: it goes on then.
   */
  async pause(patience: number): Promise<void> {
    if (this.#ending) throw isEnding();
    try {
      await pauseApps(this.#apps, { verbs: this.#verbs, launches: this.#launches }, patience);
      if (this.#ending) throw isEnding();
    } catch (error) {
      this.resume();
      throw error;
    }
  }

  /** Goes on after `pause`. */
  resume(): void {
    resumeApps(this.#apps);
    this.#launches.open();
    releaseApps(this.#apps);
    this.#verbs.open();
  }

  /**
   * All that it knows. Undefined where something has happened since `pause`: it may be paused again in a moment.
   * @param partial leaves out what can't be handed over now.
   */
  handOver(partial = false): HandedSupervisor | undefined {
    if (this.#ending && !partial) return undefined;
    return handOverApps(this.#apps, this.events, partial);
  }

  /** Goes on where the process before stopped. Call it once, before anything else. @throws MetactlError METACTL_HANDOVER */
  async takeOver(handed: HandedSupervisor): Promise<void> {
    this.events.goOn(handed.events.kept, handed.events.seq);
    const { paths } = this.#options;
    await takeOverApps(this.#apps, handed, {
      paths,
      unit: this.#unitOptions(),
      say: (of, line) => this.#say(of, line),
    });
  }

  #app(name: string): AppState {
    const known = this.#apps.get(name);
    if (known !== undefined) return known;
    const app = newAppState(name);
    this.#apps.set(name, app);
    return app;
  }

  #unitsOf({ app, daemon }: Target): Unit[] {
    const units = [...(this.#apps.get(app)?.units.values() ?? [])];
    return daemon === undefined ? units : units.filter(({ name }) => name === daemon);
  }

  #exclusively<T>(name: string, work: (app: AppState) => Promise<T>): Promise<T> {
    return this.#verbs.pass(async () => {
      if (this.#ending) throw isEnding();
      const app = this.#app(name);
      const result = app.work.then(() => {
        if (this.#ending) throw isEnding();
        return work(app);
      });
      const own = result.catch(() => {});
      app.work = own;
      try {
        return await result;
      } finally {
        // Another verb that waits works on the same app: what it starts must be known.
        if (app.units.size === 0 && app.work === own) this.#apps.delete(name);
      }
    });
  }

  /** Plans of what a verb is about, of what that depends on, and of `more`. */
  async #prepare({ app, daemon }: Target, more: readonly string[] = []): Promise<{ prepared: Prepared; plans: Plans }> {
    const { paths } = this.#options;
    const loaded = loadAppAndNode(paths, app, platforms);
    const { config } = loaded;
    const dependencies = dependenciesOf(config, config.daemons);
    const asked = daemon === undefined ? [] : [daemon, ...more];
    const names = new Set(asked.flatMap((name) => [name, ...requirementsOf(dependencies, name)]));
    const only = names.size === 1 ? daemon : undefined;
    const prepared = await prepare(paths, app, { daemon: only, sandbox: true, start: true, loaded });
    const plans = prepared.plans.filter((plan) => names.size === 0 || names.has(plan.daemon));
    // Said by `prepare` where it is the only one.
    if (daemon !== undefined) chooseDaemons(config, daemon);
    for (const warning of prepared.warnings) this.#warn({ app, name: plans[0]!.daemon }, warning);
    return { prepared, plans };
  }

  #unitOptions(): UnitOptions {
    return {
      host: this.#options.host,
      compressor: this.#compressor,
      gate: this.#launches,
      onEvent: ({ app: name, name: daemon }, event, status) => {
        this.events.add(name, daemon, event, status);
      },
      onWarning: (unit, text) => this.#warn(unit, text),
      onNote: ({ app, name }, text) => this.events.note(app, name, text),
    };
  }

  /** Makes units of plans, and a group of all of the app's. */
  #begin(app: AppState, prepared: Prepared, plans: Plans): Unit[] {
    // It was told to end while this was being prepared.
    if (this.#ending) throw isEnding();
    if (plans.length === 0) return [];
    const { paths } = this.#options;
    const units = plans.map((plan) => new Unit(unitSpec(prepared, plan), this.#unitOptions()));
    for (const unit of units) {
      const before = app.units.get(unit.name);
      if (before !== undefined) unit.daemon.remember(before.daemon);
      app.units.set(unit.name, unit);
    }
    // What was taken out of the configuration is there while it runs.
    for (const [name, unit] of app.units) {
      if (!isAlive(unit) && !prepared.config.daemons.includes(name) && !units.includes(unit)) app.units.delete(name);
    }
    const { address, address6 } = prepared.lease;
    app.changes = new ConfigChanges(paths, prepared.config, { sandbox: true, address, address6 });
    const log = (line: string) => this.#say({ app: app.name, name: plans[0]!.daemon }, line);
    watchFirewall(app, prepared.plans[0]?.firewall, { host: prepared.host, paths, log });
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
  #stop(target: Target, asked: readonly Unit[], before: (unit: Unit) => void = () => {}): Unit[] {
    const app = this.#app(target.app);
    const names = asked.map(({ name }) => name);
    const all = withDependents(app.dependencies, names);
    const units = [...app.units.values()].filter((unit) => all.has(unit.name) && isAlive(unit)).reverse();
    for (const unit of units) before(unit);
    app.group?.stop(names);
    return units;
  }

  /** Lets go of what an app has only while something of it runs. */
  async #idle(app: AppState): Promise<void> {
    if ([...app.units.values()].some(isAlive)) return;
    await app.firewall?.close();
    app.firewall = undefined;
  }

  /** A line that begins with `warning: ` is one. */
  #say(of: Pick<Unit, 'app' | 'name'>, line: string): void {
    if (line.startsWith(WARNING)) this.#warn(of, line.slice(WARNING.length));
    else this.events.note(of.app, of.name, line);
  }

  #warn({ app, name }: Pick<Unit, 'app' | 'name'>, text: string): void {
    this.events.warn(app, name, text);
  }
}

/** What the old ones have left for their next starts is the new ones'; what has no next start is closed. */
function passOnStored(old: readonly Unit[], started: readonly Unit[]): void {
  for (const unit of old) {
    const next = started.find(({ name }) => name === unit.name);
    const stored = unit.handle.takeStored();
    if (next === undefined) stored?.close();
    else next.handle.putStored(stored);
  }
}

const WARNING = 'warning: ';
