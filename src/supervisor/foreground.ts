import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppHandle } from '../host/host.ts';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { EXIT } from '../util/error.ts';
import { hideIn } from '../util/secrets.ts';
import type { Request } from './control/protocol.ts';
import { openRunControl, type RunControl, type RunControlOptions } from './control/run-control.ts';
import { eventText } from './event-text.ts';
import { FirewallWatch } from './firewall-watch.ts';
import { clockOrigin } from './handover/clock.ts';
import { Gate } from './handover/gate.ts';
import { reexecHandlers } from './handover/receive.ts';
import { killedFor } from './killed-for.ts';
import { type ForegroundLogs, openForegroundLogs } from './logs/foreground-logs.ts';
import { gated, type HandedRun, type MovableRun, movableRun } from './movable-run.ts';
import { copyOutput, type StartOutput } from './output.ts';
import { preloadAfterStart } from './preload.ts';
import type { Prepared } from './prepare.ts';
import { watchOf } from './ready/watch-of.ts';
import { type RunSpec, runSpec } from './run-spec.ts';
import { onSignals } from './signals.ts';
import { DaemonGroup, isAtRest } from './state/group.ts';
import { leftOut } from './state/order.ts';
import { SupervisedDaemon } from './state/supervised.ts';
import type { Daemon } from './state/types.ts';

export type OutputTarget = Writable & { readonly isTTY?: boolean };

export interface ForegroundIo {
  /** Asked for when there is something to write: making a stream takes as long as a start. */
  readonly stdout: () => OutputTarget;
  readonly stderr: () => OutputTarget;
  /** One line about what the supervisor does. */
  readonly log: (line: string) => void;
  /** Only what the daemons write, and that goes to the journal unless `log.to` says otherwise: nothing is passed on. */
  readonly journal?: boolean;
  readonly watcher?: RunWatcher;
  /** How this process is replaced by another one; absent: it can't be. */
  readonly reexec?: {
    /** What `hello` tells besides. */
    readonly about: Readonly<Record<string, unknown>>;
    readonly replace: (run: MovableRun, request: Request) => Promise<never>;
  };
}

/** Somebody to whom the run must be told. */
export interface RunWatcher {
  /** The daemons are about to be started. @param stop ends the run. */
  begin(daemons: readonly Daemon[], stop: () => void): void;
  /** It was asked to stop. */
  stopping(): void;
  /** SIGHUP came. @param done resolves when what follows from it has been done. */
  reloading(done: Promise<void>): void;
}

/**
 * Runs prepared daemons in the foreground until all have ended or a signal stops them.
 * @returns the exit status to pass on: the daemon's, or that of the first one that failed.
 * @throws MetactlError where a first start fails; daemons that were started already are stopped first.
 */
export async function runForeground(prepared: Prepared, io: ForegroundIo): Promise<number> {
  for (const warning of prepared.warnings) io.log(`warning: ${warning}`);
  return runInForeground(runSpec(prepared, io.journal === true), io);
}

/** The same. @param before what the process that this one takes the place of was doing: it is gone on with. */
export async function runInForeground(spec: RunSpec, openIo: ForegroundIo, before?: HandedRun): Promise<number> {
  const secrets = spec.units[0]!.secrets;
  const io = { ...openIo, log: (line: string) => openIo.log(hideIn(line, secrets)) };
  const handles: AppHandle[] = [];
  const launches = new Gate();
  const copies = new Copies(
    io,
    spec.units.map(({ plan }) => plan),
  );
  let logs: ForegroundLogs | undefined;
  let asked: number | undefined;
  let firewall: FirewallWatch | undefined;
  let group: DaemonGroup | undefined;
  let control: Promise<RunControl> | undefined;
  let endPreload = () => {};
  const release = onSignals((signal, stops) => {
    const renewed =
      signal === constants.signals.SIGHUP && !stops ? (firewall?.renew() ?? Promise.resolve()) : undefined;
    if (stops && asked !== undefined) group?.kill();
    else if (stops) {
      asked = signal;
      io.watcher?.stopping();
      group?.stop(undefined, signal);
    } else passOn(group, spec.hangUp, signal);
    if (renewed !== undefined) io.watcher?.reloading(renewed);
  });
  try {
    const handed = before?.apps[0]?.units ?? [];
    const logsBefore = new Map(handed.map((one) => [one.spec.plan.daemon, one]));
    logs = await openForegroundLogs(spec, { ...io, prefix: (daemon) => copies.prefix(daemon) }, logsBefore);
    for (const [index, { request }] of spec.units.entries()) {
      // One handle watches for all daemons: they share the address.
      const onWarning = handles.length === 0 ? { onWarning: (text: string) => io.log(`warning: ${text}`) } : {};
      const held = handed[index]?.app;
      const full = { ...request, ...onWarning };
      handles.push(await (held === undefined ? spec.host.openApp(full) : spec.host.takeOverApp(full, held)));
    }
    if (asked !== undefined) return 128 + asked;
    firewall = watchFirewall(spec, handles, io);
    const all = makeGroup(
      spec,
      handles,
      launches,
      io,
      (daemon) => logs?.of(daemon)?.startOutput() ?? copies.startOutput(daemon),
    );
    group = all;
    const opened = logs;
    const isEnding = () => asked !== undefined;
    const movable = async (request: Request): Promise<never> => {
      const parts = { spec, group: all, handles, logs: opened, launches, control: await control! };
      return io.reexec!.replace(movableRun({ ...parts, isEnding }), request);
    };
    const lossOf = (daemon: string) => opened.lossOf(daemon);
    control = openControl(spec, all, { handles, firewall, lossOf, isEnding }, io, movable, before);
    io.watcher?.begin([...all.daemons.values()], () => all.stop());
    // A unit has done so before.
    if (io.watcher === undefined) endPreload = preloadAfterStart(spec.host, [...all.daemons.values()]);
    const begin = before === undefined ? () => all.start() : () => goOn(all, before);
    const status = await runToEnd(all, begin, orderly(io, copies), isEnding);
    await copies.done();
    return status;
  } finally {
    release();
    endPreload();
    await (await control)?.close();
    await firewall?.close();
    await logs?.close();
    for (const handle of handles.reverse()) await closeHandle(handle, io);
  }
}

function makeGroup(
  { app, units, dependencies, host, paths }: RunSpec,
  handles: readonly AppHandle[],
  launches: Gate,
  io: ForegroundIo,
  outputOf: (daemon: string) => StartOutput,
): DaemonGroup {
  // In a unit of its own, what it depends on is the service manager's business.
  for (const { daemon, other } of io.watcher === undefined ? leftOut(dependencies) : []) {
    io.log(`warning: ${app}/${daemon} depends on ${app}/${other}, which this does not run`);
  }
  const daemons = units.map(({ plan, settings, readiness, secrets }, index) => {
    const log = (line: string) => io.log(`${plan.app}/${plan.daemon}: ${line}`);
    const handle = gated(handles[index]!, launches);
    return new SupervisedDaemon({
      ...{ plan, handle, settings, secrets, unattended: io.watcher !== undefined },
      output: () => outputOf(plan.daemon),
      ...watchOf({ host, paths, plan, settings: readiness, handle, log }),
      killedFor: (since) => killedFor(host, plan, since),
    });
  });
  return new DaemonGroup(daemons, dependencies);
}

/** Goes on where the process before stopped. */
function goOn(group: DaemonGroup, { origin, apps }: HandedRun): void {
  const by = origin - clockOrigin();
  for (const { units, toStop } of apps) {
    for (const { spec, daemon } of units) group.daemons.get(spec.plan.daemon)?.goOn(daemon, by);
    for (const [name, signal] of toStop) group.stop([name], signal);
  }
  // What waits for others looks whether they have come.
  group.start([]);
}

function openControl(
  spec: RunSpec,
  group: DaemonGroup,
  held: Pick<RunControlOptions, 'handles' | 'firewall' | 'lossOf' | 'isEnding'>,
  { log, reexec }: ForegroundIo,
  replace: (request: Request) => Promise<never>,
  before: HandedRun | undefined,
): Promise<RunControl> {
  const [app] = before?.apps ?? [];
  return openRunControl({
    ...{ spec, log },
    ...held,
    daemons: [...group.daemons.values()],
    start: (daemon) => group.start([daemon]),
    stop: (daemon) => group.stop([daemon]),
    kill: (daemon) => group.kill([daemon]),
    restart: (daemon) => group.restart([daemon]),
    isToStart: (daemon) => group.isToStart(daemon),
    ...(reexec === undefined
      ? {}
      : { reexec: (hello) => ({ about: reexec.about, ...reexecHandlers(replace, hello) }) }),
    ...(before === undefined || app?.signature === undefined
      ? {}
      : { before: { ...before.run, signature: app.signature, events: before.events } }),
  });
}

/** Signals that mean something to the daemons: SIGHUP as the `reload-signal` of those that set it. */
function passOn(group: DaemonGroup | undefined, hangUp: RunSpec['hangUp'], signal: number): void {
  for (const daemon of group?.daemons.values() ?? []) {
    const passed = signal === constants.signals.SIGHUP ? hangUp.get(daemon.name) : signal;
    if (passed !== undefined) daemon.signal(passed);
  }
}

/**
 * Begins and waits until all are at rest. The first that can't be started at all stops the others, and its error is
 * thrown after they have ended.
 */
function runToEnd(
  group: DaemonGroup,
  begin: () => void,
  { log, said }: OrderlyLog,
  stopping: () => boolean,
): Promise<number> {
  const daemons = [...group.daemons.values()];
  const unstarted = new Map<string, Error>();
  let error: Error | undefined;
  let stuck = false;
  return new Promise((resolve, reject) => {
    const look = () => {
      const open = daemons.filter((daemon) => !isAtRest(daemon.status().state));
      if (open.length === 0) {
        // What is still to be said comes before what the caller says.
        void said().then(() => {
          if (error !== undefined) return reject(error);
          resolve(
            exitStatus(
              daemons.map((daemon) => daemon.status().lastExit?.status),
              stuck,
            ),
          );
        });
      } else if (!stuck && open.every(({ name }) => group.isStuck(name))) {
        stuck = true;
        for (const { app, name } of open) log(`${app}/${name} was not started: it ${group.whyStuck(name)}`);
        group.stop();
      }
    };
    for (const daemon of daemons) {
      daemon.onEvent((event, status) => {
        if (event.type === 'starting') unstarted.delete(daemon.name);
        else if (event.type === 'start-failed') unstarted.set(daemon.name, event.error);
        else if (event.type === 'failed' && unstarted.has(daemon.name) && error === undefined) {
          error = unstarted.get(daemon.name);
          group.stop();
        }
        const text = eventText(event, status, stopping());
        if (text !== undefined) log(text, daemon.name);
        // After what this event leads to: it may be another start.
        setImmediate(look);
      });
    }
    begin();
  });
}

/** That of the first that failed. @param stuck some were never started, because others ended that they wait for. */
function exitStatus(statuses: readonly (number | undefined)[], stuck: boolean): number {
  return statuses.find((status) => status !== undefined && status !== 0) ?? (stuck ? EXIT.sandbox : 0);
}

/** One watch for all daemons: they share the firewall. */
function watchFirewall(
  { host, paths, app, units }: RunSpec,
  [handle]: readonly AppHandle[],
  { log }: ForegroundIo,
): FirewallWatch | undefined {
  const plan = units[0]?.plan.firewall;
  return plan === undefined || handle === undefined
    ? undefined
    : new FirewallWatch({ host, paths, app, handle, plan, log });
}

/** What can't be taken away must not hide how the daemons ended, nor why they didn't start. */
async function closeHandle(handle: AppHandle, io: ForegroundIo): Promise<void> {
  try {
    await handle.close();
  } catch (error) {
    io.log(`warning: ${(error as Error).message}; metactl gc takes away what is left`);
  }
}

interface OrderlyLog {
  /** Says a line, after what the daemon has written until now. */
  readonly log: (line: string, daemon?: string) => void;
  /** Resolves when all has been said. */
  readonly said: () => Promise<void>;
}

/** A reader that is slow must not keep back for ever what the supervisor has to say. ms */
const PATIENCE = 1_000;

/** A daemon's end is known before its last output has come out of the pipes. */
function orderly(io: ForegroundIo, copies: Copies): OrderlyLog {
  let last: Promise<unknown> = Promise.resolve();
  return {
    log(line, daemon) {
      const written = daemon === undefined ? undefined : copies.until(daemon);
      last = last.then(async () => {
        if (written !== undefined) await Promise.race([written, sleep(PATIENCE, undefined, { ref: false })]);
        io.log(line);
      });
    },
    said: async () => void (await last),
  };
}

/** The daemons' output on its way to ours. */
class Copies {
  readonly #io: ForegroundIo;
  readonly #width: number | undefined;
  readonly #open = new Map<Promise<void>, string>();

  constructor(io: ForegroundIo, plans: readonly SandboxPlan[]) {
    this.#io = io;
    // Lines of one daemon need no name.
    this.#width = plans.length > 1 ? Math.max(...plans.map((plan) => plan.daemon.length)) : undefined;
  }

  /** What each line of a daemon begins with. */
  prefix(daemon: string): string | undefined {
    return this.#width === undefined ? undefined : `${daemon.padEnd(this.#width)} | `;
  }

  startOutput(daemon: string): StartOutput {
    return {
      io: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' },
      attach: ({ stdout, stderr }) => {
        this.#copy(daemon, stdout, this.#io.stdout());
        this.#copy(daemon, stderr, this.#io.stderr());
      },
    };
  }

  #copy(daemon: string, from: Readable | undefined, to: OutputTarget): void {
    if (from === undefined) return;
    const copy = copyOutput(from, to, { prefix: this.prefix(daemon), escape: to.isTTY === true });
    this.#open.set(copy, daemon);
    void copy.finally(() => this.#open.delete(copy));
  }

  /** Resolves when what a daemon's starts until now have written has been passed on. */
  async until(daemon: string): Promise<void> {
    await Promise.all([...this.#open].flatMap(([copy, of]) => (of === daemon ? [copy] : [])));
  }

  async done(): Promise<void> {
    await Promise.all(this.#open.keys());
  }
}
