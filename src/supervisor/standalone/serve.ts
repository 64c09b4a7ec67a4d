import type { Host } from '../../host/host.ts';
import type { LostSupervisor, SupervisorHold } from '../../host/supervisor-host.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { silentHint } from '../control/answer.ts';
import { ask } from '../control/client.ts';
import { type ControlServer, listenControl } from '../control/server.ts';
import { controlSocket } from '../control/sockets.ts';
import { decodeHandover } from '../handover/document.ts';
import { receiveHandover, replacer } from '../handover/receive.ts';
import type { Written } from '../handover/replace.ts';
import type { Successor } from '../handover/successor.ts';
import { preload } from '../preload.ts';
import { afterwards, isCheap } from '../service/quiet.ts';
import type { BootStarts, HandedStarts } from './boot-starts.ts';
import { handlersOf } from './handlers.ts';
import { endedText, lostText } from './lost-text.ts';
import { type HandedNode, replaceSupervisor, type StandaloneHandover } from './replace.ts';
import { stayFound } from './stay-found.ts';
import { Supervisor, type SupervisorOptions } from './supervisor.ts';
import { unpackSpec } from './unit-spec.ts';

export interface ServeOptions extends Omit<SupervisorOptions, 'host'> {
  readonly host: Host;
  readonly version: string;
  /** Where `log` writes. */
  readonly ownLog: Written;
  /** What takes this process's place, unless it is told another. */
  readonly successor: Successor;
  /** Descriptor of what the process before hands over; undefined: there was none. */
  readonly takeOver?: number;
  /** What it is about to start by itself. */
  readonly starts: BootStarts;
  /** Called when it listens: whoever started it may go on. @param handed what the process before had still to start. */
  readonly onListening: (handed: HandedStarts | undefined) => void;
}

/** Milliseconds: a start of many daemons leaves 3 MB of garbage, which nothing would make V8 collect in a process that sleeps. */
const SETTLED = 1000;

/**
 * Is the supervisor of a node, until it is told to end (SIGTERM, SIGINT, `stop all`); then all apps are stopped, the last
 * one started first. A second signal kills them.
 * @throws MetactlError METACTL_SUPERVISOR_RUNNING where another one has the node; METACTL_HANDOVER.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { paths, host, version, log } = options;
  // Before anything else is done with the host.
  const before = options.takeOver === undefined ? undefined : receiveHandover<HandedNode>(host, options.takeOver);
  const hold = before === undefined ? host.holdSupervisor(paths) : host.takeOverSupervisor(paths, before.lock);
  if (hold === undefined) throw await alreadyRunning(host, paths);
  const supervisor = new Supervisor(options);
  let asked = 0;
  let resolveEnded = () => {};
  const ended = new Promise<void>((resolve) => {
    resolveEnded = resolve;
  });
  const end = () => {
    if (asked++ === 0) resolveEnded();
    else supervisor.kill();
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, end);
  // Nobody's terminal can hang up. As `run`, it resolves the names of firewalls again.
  process.on('SIGHUP', () => supervisor.renewFirewalls());
  process.on('SIGPIPE', () => {});
  await preload(host, { prepares: true });
  supervisor.events.listen((record) => {
    const { seq, time, ...rest } = record;
    // The state of a moment, and as often as the app likes.
    if (rest.event === 'status-text') return;
    log(`${rest.app}/${rest.daemon}: ${JSON.stringify(rest)}`);
  });
  const quiet = afterwards(() => host.releaseMemory('garbage'), SETTLED);
  supervisor.events.listen(({ event }) => {
    if (!isCheap(event)) quiet.happened();
  });
  if (before !== undefined) await takeOver(host, supervisor, before);
  const server = await openControl(options, supervisor, hold, end, before);
  // The socket keeps nobody alive, and with no daemon there is nothing else that would.
  const alive = setInterval(() => {}, 1 << 30);
  log(`supervisor ${process.pid} (metactl ${version}) ${before === undefined ? 'listens' : 'goes on'}`);
  hold.note();
  const daemons = () => supervisor.stayFound();
  const leave = stayFound({ directory: paths.run, hold, server, daemons, isMoving: () => server.isMoving, log });
  if (hold.lost !== undefined) tellLost(hold.lost, supervisor, log);
  options.onListening(before?.body.starts);
  await ended;
  options.starts.forget();
  log('stopping all daemons');
  await supervisor.end();
  quiet.end();
  clearInterval(alive);
  leave();
  await server.close();
  hold.release();
  log('ended');
}

/**
 * Looks whether this version could take over what is in `draft`, and has all that it would need; changes nothing.
 * @throws MetactlError why not.
 */
export async function checkHandover(host: Host, draft: number): Promise<void> {
  const { body } = decodeHandover(host.handover.open(draft)) as StandaloneHandover;
  for (const { units } of body.apps) for (const { spec } of units) await unpackSpec(spec);
  await preload(host, { prepares: true });
}

async function takeOver(host: Host, supervisor: Supervisor, { body }: StandaloneHandover): Promise<void> {
  // Before anything of ours can be started: what a daemon is restarted as is unknown to the process before.
  const known = new Set(body.apps.flatMap(({ units }) => units.flatMap(({ daemon }) => daemon.model.pid ?? [])));
  host.handover.endStrays(known);
  await supervisor.takeOver(body);
}

async function openControl(
  options: ServeOptions,
  supervisor: Supervisor,
  hold: SupervisorHold,
  end: () => void,
  before: StandaloneHandover | undefined,
): Promise<ControlServer> {
  const { paths, host, version, log, ownLog, starts } = options;
  const replaced = before === undefined ? 0 : before.replaced + 1;
  const about = { version, replaced };
  const replace = replacer(
    options.successor,
    (successor) =>
      replaceSupervisor(
        { paths, host, version, replaced, hold, supervisor, starts, log, written: ownLog },
        successor,
        server,
      ),
    log,
  );
  const handlers = handlersOf({ supervisor, starts, about, end, replace });
  const server = await listenControl(controlSocket(paths), { host, handlers }, before?.control);
  return server;
}

/** Nobody else can say it: one that is killed can't. */
function tellLost(lost: LostSupervisor, supervisor: Supervisor, log: (line: string) => void): void {
  log(`warning: ${lostText(lost)}`);
  const { pid, since } = lost;
  const ended = { pid, since: new Date(since).toISOString() };
  for (const { app, daemon } of lost.daemons)
    supervisor.events.warn(app, daemon, endedText(lost), { supervisor: ended });
}

/** Final for a service manager: tried again it would be in the way of the other one, and undo a `stop all`. */
async function alreadyRunning(host: Host, paths: Paths): Promise<MetactlError> {
  const other = (await ask(controlSocket(paths), 'hello').catch(() => undefined)) as
    | { readonly pid: number }
    | undefined;
  const holder = other === undefined ? host.holderOfSupervisor(paths) : undefined;
  const pid = other?.pid ?? holder?.pid;
  return new MetactlError(`a supervisor of this node is running already${pid === undefined ? '' : ` (pid ${pid})`}`, {
    code: 'METACTL_SUPERVISOR_RUNNING',
    path: paths.run,
    hint:
      other === undefined
        ? silentHint(holder)
        : 'metactl stop all ends it with all its apps; then the service manager can start its own',
    exitStatus: EXIT.gaveUp,
  });
}
