import type { Host } from '../../host/host.ts';
import { MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { listenControl } from '../control/server.ts';
import { controlSocket } from '../control/sockets.ts';
import { handlersOf } from './handlers.ts';
import { Supervisor, type SupervisorOptions } from './supervisor.ts';

export interface ServeOptions extends Omit<SupervisorOptions, 'host'> {
  readonly host: Host;
  readonly version: string;
  /** Called when it listens: whoever started it may go on. */
  readonly onListening: () => void;
}

/**
 * Is the supervisor of a node, until it is told to end (SIGTERM, SIGINT, `stop all`); then all apps are stopped, the last
 * one started first. A second signal kills them.
 * @throws MetactlError METACTL_SUPERVISOR_RUNNING where another one has the node.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { paths, host, version, log } = options;
  const hold = host.holdSupervisor(paths);
  if (hold === undefined) throw alreadyRunning(paths);
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
  await host.preload();
  supervisor.events.listen((record) => {
    const { seq, time, ...rest } = record;
    log(`${rest.app}/${rest.daemon}: ${JSON.stringify(rest)}`);
  });
  const server = await listenControl(controlSocket(paths), { host, handlers: handlersOf(supervisor, version, end) });
  // The socket keeps nobody alive, and with no daemon there is nothing else that would.
  const alive = setInterval(() => {}, 1 << 30);
  log(`supervisor ${process.pid} (metactl ${version}) listens`);
  options.onListening();
  await ended;
  log('stopping all daemons');
  await supervisor.end();
  clearInterval(alive);
  await server.close();
  hold.release();
  log('ended');
}

function alreadyRunning(paths: Paths): MetactlError {
  return new MetactlError('a supervisor of this node is running already', {
    code: 'METACTL_SUPERVISOR_RUNNING',
    path: paths.run,
    hint: 'if it does not answer, look at /var/log/metactl/supervisor.log',
  });
}
