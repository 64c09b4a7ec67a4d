import type { AppHandle, Host, Sandbox } from '../../host/host.ts';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { Paths } from '../../util/paths.ts';
import { type Inside, insideOf } from './inside.ts';
import type { ReadinessWorld } from './readiness.ts';

/** The real world around a daemon's readiness. @param log one line, without the daemon's name. */
export function readinessWorld(
  host: Host,
  paths: Paths,
  { app, daemon, sandboxed }: SandboxPlan,
  handle: Pick<AppHandle, 'notify'>,
  log: ReadinessWorld['log'],
): ReadinessWorld {
  return {
    // Looked up at each start: a handle that is lazy has none before.
    get notify() {
      return handle.notify;
    },
    inside: (sandbox) => findInside(host, paths, app, daemon, sandbox),
    // By number: it may have none of its own, and then it is the host's.
    hostPid: (pid) =>
      host.listProcesses(paths, app, daemon).find((one) => (sandboxed ? one.insidePid : one.pid) === pid)?.pid,
    log,
  };
}

/** Undefined where it has ended meanwhile, or been started again. */
async function findInside(
  host: Host,
  paths: Paths,
  app: string,
  daemon: string,
  sandbox: Sandbox,
): Promise<Inside | undefined> {
  const running = await host.findRunning(paths, app, daemon);
  if (running === undefined) return undefined;
  if (running.pid === sandbox.pid) return insideOf(running);
  running.close();
  return undefined;
}
