import { realpathSync } from 'node:fs';
import type { Command } from 'commander';
import { listPresentApps } from '../config/app-names.ts';
import { loadApp } from '../config/load.ts';
import { platforms } from '../platform/index.ts';
import type { Driven } from '../service/drive.ts';
import { hasSupervisor } from '../supervisor/control/ask-all.ts';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket } from '../supervisor/control/sockets.ts';
import { ensureSupervisor, untilListens } from '../supervisor/standalone/launch.ts';
import type { Paths } from '../util/paths.ts';
import type { Context } from './context.ts';
import { appsOf, contextOf, forEachApp, type LifecycleOptions, lifecycleVerb, progressOf } from './lifecycle.ts';
import { driver, driveUnits } from './units.ts';

/** `metactl start APP [DAEMON]`: in the background, kept by the supervisor of this node. */
export function register(program: Command): void {
  lifecycleVerb(program, 'start', 'Start an app, or one daemon of it, in the background, and wait until it is up.')
    .option('--no-wait', "don't wait until it is up")
    .addHelpText(
      'after',
      '\nThe service manager keeps running what `metactl install` gave it (on systemd this is `systemctl start`), the' +
        '\nsupervisor of this node all else; it is started if it is not there, by the service manager after `metactl install --node`.' +
        '\nWhere units no longer are those of the configuration it says so: `metactl install` makes them.' +
        '\nExit status: 0 it is up, 1 it could not be started, 2 no such daemon, 4 no such app, 5 not ready in time, 77 needs root, 78 configuration.',
    )
    .action(async (app: string, daemon: string | undefined, options: LifecycleOptions, command: Command) => {
      const context = contextOf(command);
      const { paths } = context;
      const apps = appsOf(app, daemon, () => listPresentApps(paths));
      await forEachApp(context, apps, await starter(context, apps, { daemon, wait: options.wait }));
    });
}

/**
 * Sees to it that somebody is there to start apps: their service manager, or the supervisor of this node.
 * @returns starts one of them. @throws MetactlError what is wrong with any, before anything is started.
 */
export async function starter(
  context: Context,
  apps: readonly string[],
  { daemon, wait }: { readonly daemon: string | undefined; readonly wait: boolean },
): Promise<(app: string) => Promise<readonly unknown[]>> {
  const { paths } = context;
  const driven = new Map<string, Driven>();
  for (const one of apps) {
    const found = await driver(paths, one);
    if (found !== undefined) driven.set(one, found);
  }
  const own = apps.filter((one) => !driven.has(one));
  let began = false;
  if (own.length > 0 && !(await hasSupervisor(paths))) {
    for (const one of own) loadApp(paths, one, platforms);
    const { startNodeUnit } = await import('./node-unit.ts');
    // At boot it starts all apps by itself.
    began = await startNodeUnit(paths);
    if (began) await untilListens(paths);
    else await ensureSupervisor(paths, superviseCommand(paths));
  }
  const request = { wait, ...(began ? { began } : {}), ...(daemon === undefined ? {} : { daemon }) };
  return async (app) => {
    const units = driven.get(app);
    if (units !== undefined) return [await driveUnits(paths, 'start', units, { daemon, wait })];
    return [await ask(controlSocket(paths), 'start', { app, ...request }, { onEvent: progressOf(context) })];
  };
}

/**
 * Options of Node's that keep a supervisor small: it sleeps most of the time, and what it does then is done too seldom for
 * compiled code to pay. With 100 daemons they save 30 MB of 95. What there is to collect is so little that threads which help with
 * it take more CPU time than they save. A supervisor that replaces itself keeps them.
 */
const SMALL = ['--max-semi-space-size=1', '--single-threaded-gc', '--optimize-for-size', '--no-opt'];

/** This very metactl, under the Node that runs it. */
function superviseCommand(paths: Paths): readonly string[] {
  return [
    process.execPath,
    ...SMALL,
    realpathSync(process.argv[1]!),
    '--root',
    paths.root,
    'supervise',
    '--background',
  ];
}
