import type { AppHandle } from '../../host/host.ts';
import type { MetactlError } from '../../util/error.ts';
import type { FirewallWatch } from '../firewall-watch.ts';
import { Gate } from '../handover/gate.ts';
import type { ReexecHandlers } from '../handover/receive.ts';
import { NOBODY } from '../handover/replace.ts';
import type { LogLoss } from '../logs/loss-ledger.ts';
import { reloadText } from '../reload-text.ts';
import type { RunSpec } from '../run-spec.ts';
import type { UnitSpec } from '../standalone/unit-spec.ts';
import type { Daemon } from '../state/types.ts';
import { ConfigChanges } from './config-changes.ts';
import { EventHub, type EventRecord } from './event-hub.ts';
import { eventsHandler } from './events-handler.ts';
import { hasGone, isOver, isStoppedMeanwhile, isUp, stoppedMeanwhile, untilOver, untilUp } from './outcome.ts';
import type { Request } from './protocol.ts';
import { type ControlServer, type Conversation, type HandedControl, type Handler, listenControl } from './server.ts';
import { runSocket } from './sockets.ts';
import { type StatusRecord, statusRecord } from './status-record.ts';

export interface RunControlOptions {
  readonly spec: RunSpec;
  /** In the order of the plans. */
  readonly daemons: readonly Daemon[];
  readonly handles: readonly Pick<AppHandle, 'lookWhereItListens' | 'usage' | 'cpuUsec'>[];
  readonly firewall: Pick<FirewallWatch, 'renew' | 'hasNames'> | undefined;
  /** Lines that a daemon's log has lost. */
  readonly lossOf: (daemon: string) => LogLoss | undefined;
  readonly start: (daemon: string) => void;
  readonly stop: (daemon: string) => void;
  /** It and what depends on it, by SIGKILL. */
  readonly kill: (daemon: string) => void;
  readonly restart: (daemon: string) => void;
  /** All of it was told to stop: nothing is started any more. */
  readonly isEnding: () => boolean;
  /** Whether a restart has still to start it. */
  readonly isToStart: (daemon: string) => boolean;
  readonly log: (line: string) => void;
  /** How this process is replaced; absent: it can't be. @param hello tells of it. */
  readonly reexec?: (hello: () => Readonly<Record<string, unknown>>) => ReexecHandlers & { readonly about: object };
  readonly before?: HandedRunControl;
}

/** What the process that takes this one's place goes on with. */
export interface HandedRunControl {
  readonly servers: readonly HandedControl[];
  /** In the order of the plans: CPU time that earlier runs had used, microseconds. */
  readonly cpuBefore: readonly number[];
  readonly signature: string;
  readonly events: { readonly seq: number; readonly kept: readonly EventRecord[] };
}

/** The control sockets of a `run`, one for each of its daemons. */
export interface RunControl extends Pick<ControlServer, 'move' | 'stay' | 'close'> {
  /** Verbs that change something pass through here: closed while this process is being replaced. */
  readonly verbs: Gate;
  readonly hub: EventHub;
  readonly changes: ConfigChanges;
  /** In the order of the plans. */
  cpuBefore(): readonly number[];
  handOver(): readonly HandedControl[];
}

/**
 * Opens them, so that `status`, `events`, `why`, `stop` and the like see and reach what runs in the foreground. A socket that
 * can't be made is told and does without: it must not stop what was asked for. The locks of the daemons are held.
 */
export async function openRunControl(options: RunControlOptions): Promise<RunControl> {
  const { spec, daemons, log, before } = options;
  const { paths, host, app } = spec;
  const { directory, daemons: configured, address, address6 } = spec.units[0]!;
  const hub = new EventHub();
  const verbs = new Gate();
  if (before !== undefined) hub.goOn(before.events.kept, before.events.seq);
  const servers: (ControlServer | undefined)[] = [];
  const compared = { sandbox: spec.sandboxed, address, address6 };
  const changes = new ConfigChanges(paths, { app, directory, daemons: configured }, compared, before?.signature);
  const units = daemons.map((daemon, index): RunUnit => {
    const cpuBefore = before?.cpuBefore[index] ?? 0;
    const loss = () => options.lossOf(daemon.name);
    return { daemon, handle: options.handles[index]!, spec: spec.units[index]!, changes, cpuBefore, loss };
  });
  for (const unit of units) {
    const { daemon } = unit;
    daemon.onEvent((event, status) => {
      if (event.type === 'running') unit.cpuBefore = unit.handle.cpuUsec();
      hub.add(daemon.app, daemon.name, event, status);
    });
  }
  // The daemons come first.
  await new Promise((resolve) => setImmediate(resolve));
  for (const [index, unit] of units.entries()) {
    const { name } = unit.daemon;
    try {
      const handlers = handlersOf(options, unit, hub, verbs);
      servers[index] = await listenControl(
        runSocket(paths, app, name),
        { host, handlers },
        handedServer(before, index),
      );
    } catch (error) {
      log(`warning: ${(error as Error).message}; metactl status won't find ${app}/${name}`);
    }
  }
  return {
    ...{ verbs, hub, changes },
    cpuBefore: () => units.map((unit) => unit.cpuBefore),
    async move() {
      await Promise.all(servers.map((server) => server?.move()));
    },
    stay() {
      for (const server of servers) server?.stay();
    },
    handOver: () => daemons.map((_, index) => servers[index]?.handOver() ?? NOBODY),
    async close() {
      await Promise.all(servers.map((server) => server?.close()));
    },
  };
}

/** Undefined where there is none: the process before could not make one. */
function handedServer(before: HandedRunControl | undefined, index: number): HandedControl | undefined {
  const handed = before?.servers[index];
  return handed === undefined || handed.listener.fd < 0 ? undefined : handed;
}

interface RunUnit {
  readonly daemon: Daemon;
  readonly handle: Pick<AppHandle, 'lookWhereItListens' | 'usage' | 'cpuUsec'>;
  readonly spec: UnitSpec;
  readonly changes: ConfigChanges;
  cpuBefore: number;
  readonly loss: () => LogLoss | undefined;
}

function handlersOf(
  options: RunControlOptions,
  unit: RunUnit,
  hub: EventHub,
  verbs: Gate,
): Readonly<Record<string, Handler>> {
  const { daemon } = unit;
  const { app, name } = daemon;
  const told = (done: string) => ({ daemons: [{ app, daemon: name, done }] });
  const telling =
    (work: (wait: boolean, gone: AbortSignal, kill: boolean) => Promise<string>): Handler =>
    async ({ wait, kill }: Request, { send, gone }: Conversation) => {
      hub.forgive(app);
      const stop = hub.listen((record) => {
        if (record.daemon === name) send(record);
      });
      try {
        return await verbs.pass(async () => told(await work(wait !== false, gone, kill === true)));
      } finally {
        stop();
      }
    };
  const requireLasting = () => {
    if (options.isEnding()) throw stoppedMeanwhile({ app, daemon: name });
  };
  const hello = (): Readonly<Record<string, unknown>> => ({ pid: process.pid, ...about, kind: 'run', apps: [app] });
  const { about = {}, ...replacing } = options.reexec?.(() => hello()) ?? {};
  return {
    hello,
    ...replacing,
    async status() {
      await unit.handle.lookWhereItListens();
      return [recordOf(unit)];
    },
    events: (request, conversation) => eventsHandler(hub)({ ...request, daemon: name }, conversation),
    reload: async () => {
      const reloaded = daemon.reload();
      if (reloaded === 'not-running') return told('has nothing running to reload');
      await options.firewall?.renew();
      return told(reloadText(reloaded, options.firewall?.hasNames === true));
    },
    start: telling(async (wait, gone) => {
      if (isUp(daemon.status())) return 'was running';
      requireLasting();
      options.start(name);
      if (wait) await untilUpAtLast(daemon, options.isToStart, gone);
      return `is ${wait ? 'up' : 'being started'}, with the configuration that it was run with`;
    }),
    stop: telling(async (wait, gone, kill) => {
      options.stop(name);
      if (kill) options.kill(name);
      if (wait) await untilOver(daemon, gone);
      return wait ? 'is stopped' : 'is being stopped';
    }),
    restart: telling(async (wait, gone) => {
      requireLasting();
      const begun = untilBegun(daemon, options.isToStart, gone);
      options.restart(name);
      await begun;
      if (wait) await untilUpAtLast(daemon, options.isToStart, gone);
      return `is ${wait ? 'up' : 'being started'} again, with the configuration that it was run with`;
    }),
  };
}

/**
 * Resolves at the next start: until then it may look as if it were up already.
 * @throws MetactlError METACTL_STOPPED_MEANWHILE where a `stop` is faster; METACTL_GONE.
 */
function untilBegun(daemon: Daemon, isToStart: RunControlOptions['isToStart'], gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: MetactlError) => {
      stop();
      clearInterval(look);
      if (error === undefined) resolve();
      else reject(error);
    };
    const stop = daemon.onEvent(({ type }) => {
      if (type === 'starting') finish();
    });
    // A stop takes the start back without a word, where the daemon has ended already and only waits for others.
    const look = setInterval(() => {
      if (gone.aborted) finish(hasGone());
      else if (isOver(daemon.status()) && !isToStart(daemon.name)) {
        finish(stoppedMeanwhile({ app: daemon.app, daemon: daemon.name }));
      }
    }, LOOK);
  });
}

/** As `untilUp`, also where somebody else restarts it meanwhile. */
async function untilUpAtLast(
  daemon: Daemon,
  isToStart: RunControlOptions['isToStart'],
  gone: AbortSignal,
): Promise<void> {
  for (;;) {
    const { manual } = daemon.status().starts;
    try {
      return await untilUp(daemon, gone);
    } catch (error) {
      const waits = isToStart(daemon.name);
      if (!isStoppedMeanwhile(error) || gone.aborted || !(waits || daemon.status().starts.manual > manual)) throw error;
      if (waits) await untilBegun(daemon, isToStart, gone);
    }
  }
}

/** Milliseconds between two looks whether a restart is still one. */
const LOOK = 100;

function recordOf({ daemon, handle, changes, spec, cpuBefore, loss }: RunUnit): StatusRecord {
  const { node, address, address6, fingerprint } = spec;
  return statusRecord({
    ...{ node, address, address6, cpuBefore, loss: loss() },
    status: daemon.status(),
    usage: handle.usage(),
    configured: changes.daemons.includes(daemon.name),
    changed: changes.of(daemon.name, fingerprint),
    supervisor: { pid: process.pid, kind: 'run' },
  });
}
