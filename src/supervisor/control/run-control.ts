import { NO_SANDBOX_FILE } from '../../config/no-sandbox.ts';
import type { AppHandle } from '../../host/host.ts';
import type { MetactlError } from '../../util/error.ts';
import type { FirewallWatch } from '../firewall-watch.ts';
import type { Prepared } from '../prepare.ts';
import { reloadText } from '../reload-text.ts';
import type { Daemon } from '../state/types.ts';
import { ConfigChanges } from './config-changes.ts';
import { EventHub } from './event-hub.ts';
import { eventsHandler } from './events-handler.ts';
import { type Fingerprint, fingerprintOf } from './fingerprint.ts';
import { hasGone, isOver, stoppedMeanwhile, untilOver, untilUp } from './outcome.ts';
import type { Request } from './protocol.ts';
import { type ControlServer, type Conversation, type Handler, listenControl } from './server.ts';
import { runSocket } from './sockets.ts';
import { type StatusRecord, statusRecord } from './status-record.ts';

export interface RunControlOptions {
  readonly prepared: Prepared;
  /** In the order of the plans. */
  readonly daemons: readonly Daemon[];
  readonly handles: readonly Pick<AppHandle, 'usage' | 'cpuUsec'>[];
  readonly firewall: Pick<FirewallWatch, 'renew' | 'hasNames'> | undefined;
  readonly stop: (daemon: string) => void;
  readonly restart: (daemon: string) => void;
  /** Whether a restart has still to start it. */
  readonly isToStart: (daemon: string) => boolean;
  readonly log: (line: string) => void;
}

/** The control sockets of a `run`, one for each of its daemons. */
export interface RunControl {
  close(): Promise<void>;
}

/**
 * Opens them, so that `status`, `events`, `why`, `stop` and the like see and reach what runs in the foreground. A socket that
 * can't be made is told and does without: it must not stop what was asked for. The locks of the daemons are held.
 */
export async function openRunControl(options: RunControlOptions): Promise<RunControl> {
  const { prepared, daemons, log } = options;
  const { paths, host, config } = prepared;
  const hub = new EventHub();
  const servers: ControlServer[] = [];
  const changes = new ConfigChanges(paths, config, { sandbox: isSandboxed(prepared), ...addressesOf(prepared) });
  const units = daemons.map((daemon, index) => newUnit(daemon, options.handles[index]!, config, changes));
  for (const unit of units) {
    const { daemon } = unit;
    daemon.onEvent((event, status) => {
      if (event.type === 'running') unit.cpuBefore = unit.handle.cpuUsec();
      hub.add(daemon.app, daemon.name, event, status);
    });
  }
  // The daemons come first.
  await new Promise((resolve) => setImmediate(resolve));
  for (const unit of units) {
    const { app, name } = unit.daemon;
    try {
      servers.push(
        await listenControl(runSocket(paths, app, name), { host, handlers: handlersOf(options, unit, hub) }),
      );
    } catch (error) {
      log(`warning: ${(error as Error).message}; metactl status won't find ${app}/${name}`);
    }
  }
  return {
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

interface RunUnit {
  readonly daemon: Daemon;
  readonly handle: Pick<AppHandle, 'usage' | 'cpuUsec'>;
  readonly changes: ConfigChanges;
  readonly fingerprint: Fingerprint;
  cpuBefore: number;
}

function newUnit(
  daemon: Daemon,
  handle: RunUnit['handle'],
  config: Prepared['config'],
  changes: ConfigChanges,
): RunUnit {
  return { daemon, handle, changes, fingerprint: fingerprintOf(config, daemon.name), cpuBefore: 0 };
}

function handlersOf(options: RunControlOptions, unit: RunUnit, hub: EventHub): Readonly<Record<string, Handler>> {
  const { daemon } = unit;
  const { app, name } = daemon;
  const told = (done: string) => ({ daemons: [{ app, daemon: name, done }] });
  const telling =
    (work: (wait: boolean, gone: AbortSignal) => Promise<string>): Handler =>
    async ({ wait }: Request, { send, gone }: Conversation) => {
      const stop = hub.listen((record) => {
        if (record.daemon === name) send(record);
      });
      try {
        return told(await work(wait !== false, gone));
      } finally {
        stop();
      }
    };
  return {
    hello: () => ({ pid: process.pid, kind: 'run', apps: [app] }),
    status: () => [recordOf(options.prepared, unit)],
    events: (request, conversation) => eventsHandler(hub)({ ...request, daemon: name }, conversation),
    reload: async () => {
      const reloaded = daemon.reload();
      if (reloaded === 'not-running') return told('has nothing running to reload');
      await options.firewall?.renew();
      return told(reloadText(reloaded, options.firewall?.hasNames === true));
    },
    stop: telling(async (wait, gone) => {
      options.stop(name);
      if (wait) await untilOver(daemon, gone);
      return wait ? 'is stopped' : 'is being stopped';
    }),
    restart: telling(async (wait, gone) => {
      const begun = untilBegun(daemon, options.isToStart, gone);
      options.restart(name);
      await begun;
      if (wait) await untilUp(daemon, gone);
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

/** Milliseconds between two looks whether a restart is still one. */
const LOOK = 100;

function recordOf(
  { node, lease }: Prepared,
  { daemon, handle, changes, fingerprint, cpuBefore }: RunUnit,
): StatusRecord {
  return statusRecord({
    node: node.name,
    status: daemon.status(),
    usage: handle.usage(),
    cpuBefore,
    ...addressesOf({ lease }),
    changed: changes.of(daemon.name, fingerprint),
    supervisor: { pid: process.pid, kind: 'run' },
  });
}

function addressesOf({ lease: { address, address6 } }: Pick<Prepared, 'lease'>) {
  return { address, address6 };
}

/** `run --no-sandbox` has a configuration of its own: what it compares with must be the same. */
function isSandboxed({ config }: Prepared): boolean {
  return config.setting('sandbox', 'enabled')?.origin.file !== NO_SANDBOX_FILE;
}
