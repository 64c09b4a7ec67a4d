import { fstatSync } from 'node:fs';
import { listPresentApps } from '../config/app-names.ts';
import type { Host } from '../host/host.ts';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket } from '../supervisor/control/sockets.ts';
import { takeServiceEnvironment } from '../supervisor/service/environment.ts';
import { sayOnce } from '../supervisor/service/say.ts';
import type { BootStarts, HandedStarts } from '../supervisor/standalone/boot-starts.ts';
import { takeOnlyAsked } from '../supervisor/standalone/only-asked.ts';
import { messageLine } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { driver } from './units.ts';

/** What the service manager that started this supervisor waits for. Call it before anything is started. */
export function managersSocket(): string | undefined {
  const outputs = [1, 2].map((descriptor) => fstatSync(descriptor, { bigint: true }));
  return takeServiceEnvironment(process.env, process.pid, outputs).notifySocket;
}

/** Whose boot it is. `starts.notifySocket`: whoever waits for it. */
export interface Boot {
  readonly paths: Paths;
  readonly host: Pick<Host, 'logs'>;
  readonly starts: BootStarts;
  /** One line about what happens. */
  readonly log: (line: string) => void;
}

/**
 * Has the supervisor that this process is start all apps that no service manager has, and tells whoever waits that it did.
 * What can't be started is told, and tried again where that may help; it keeps no other from it.
 */
export async function startAtBoot(boot: Boot): Promise<void> {
  const { paths, log } = boot;
  let apps: readonly string[] = [];
  try {
    // Whoever had it started asks for what it is to start.
    if (!takeOnlyAsked(paths)) apps = listPresentApps(paths);
  } catch (error) {
    log(`no app could be started: ${messageLine(error)}`);
  }
  await startAll(boot, apps);
}

/** Goes on with what the process before, which this one has taken the place of, had still to do. */
export async function goOnAtBoot(boot: Boot, { apps, notifySocket }: HandedStarts): Promise<void> {
  boot.starts.notifySocket = notifySocket;
  await startAll(boot, apps);
}

async function startAll({ paths, host, starts, log }: Boot, apps: readonly string[]): Promise<void> {
  const startOne = (app: string) =>
    starts.begin(app, async () => {
      if ((await driver(paths, app)) !== undefined) return;
      await ask(controlSocket(paths), 'start', { app, wait: false, boot: true });
    });
  await Promise.all(apps.map(startOne));
  const socket = starts.notifySocket;
  if (socket === undefined) return;
  const failure = await sayOnce(host.logs, socket, 'READY=1\n');
  starts.notifySocket = undefined;
  if (failure !== undefined) log(`warning: can't tell the service manager by ${socket}: ${failure}`);
}
