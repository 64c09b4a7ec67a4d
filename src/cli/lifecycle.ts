import { isatty } from 'node:tty';
import type { Command } from 'commander';
import type { Driving } from '../service/drive.ts';
import type { EventRecord } from '../supervisor/control/event-hub.ts';
import type { Outcome } from '../supervisor/standalone/outcome.ts';
import { EXIT, MetactlError, messageLines } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { type Context, contextOf } from './context.ts';
import { eventText } from './event-text.ts';
import { jsonText, print, printError } from './print.ts';

export interface LifecycleOptions {
  readonly wait: boolean;
}

/** What `start`, `stop`, `restart` and `reload` share: an app or `all`, a daemon, and waiting. */
export function lifecycleVerb(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .argument('<app>', 'the app, or `all`')
    .argument('[daemon]', 'one daemon of it');
}

/** What the service manager did; a unit of all daemons has no daemon. */
export interface UnitOutcome {
  readonly daemons: readonly Driving[];
}

/** Shows on a terminal what happens while we wait. */
export function progressOf({ json, color }: Context): (event: unknown) => void {
  if (json || !isatty(2)) return () => {};
  return (event) => printError(`${eventText(event as EventRecord, color)}\n`);
}

/**
 * What became of each daemon, once: its unit and the supervisor of the node may both have had it. A unit of all daemons speaks for them. Pure.
 */
export function withoutRepeats(outcomes: readonly (Outcome | UnitOutcome)[]): readonly UnitOutcome[] {
  const daemons: Driving[] = [];
  for (const { app, daemon, done } of outcomes.flatMap((outcome): readonly Driving[] => outcome.daemons)) {
    const told = daemons.some(
      (other) => other.app === app && other.done === done && [undefined, daemon].includes(other.daemon),
    );
    if (!told) daemons.push({ app, daemon, done });
  }
  return [{ daemons }];
}

/** Prints what became of the daemons. */
export function printOutcome({ json }: Context, outcomes: readonly unknown[]): void {
  const daemons = (outcomes as readonly (Outcome | UnitOutcome)[]).flatMap((outcome) => [...outcome.daemons]);
  print(
    json
      ? jsonText({ daemons: daemons.map((one) => ({ ...one, daemon: one.daemon ?? null })) }, 2)
      : daemons.map(({ app, daemon, done }) => `${daemon === undefined ? app : `${app}/${daemon}`} ${done}\n`).join(''),
  );
}

/** The apps that are meant: one, or all that `names` has. @throws MetactlError (2) for `all` with a daemon. */
export function appsOf(app: string, daemon: string | undefined, names: () => readonly string[]): readonly string[] {
  if (app !== 'all') return [app];
  if (daemon === undefined) return names();
  throw new MetactlError('`all` means all daemons of all apps: no daemon can be named beside it', {
    code: 'METACTL_USAGE',
    hint: 'name the app',
    exitStatus: EXIT.usage,
  });
}

/** Does the same to several apps at once. What fails is thrown when the others are through; their outcome is printed. */
export async function forEachApp(
  context: Context,
  apps: readonly string[],
  work: (app: string) => Promise<readonly unknown[]>,
): Promise<void> {
  const results = await Promise.allSettled(apps.map(work));
  printOutcome(
    context,
    results.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])),
  );
  throwFailures(results);
}

/** Of several failures one is thrown, with the words of all. @throws what a promise was rejected with. */
export function throwFailures(results: readonly PromiseSettledResult<unknown>[]): void {
  throwAll(results.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : [])));
}

/** What failed of several apps, as one error with the status of the first. @throws Error, if there is any. */
export function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  const [first] = failures.filter((one) => one instanceof MetactlError);
  throw new MetactlError(failures.flatMap(messageLines), {
    code: first?.code ?? 'METACTL_UNEXPECTED',
    exitStatus: first?.exitStatus ?? EXIT.error,
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
  });
}

/** A running app that nobody knows is one that isn't there, or doesn't run. @throws MetactlError 4, 2 or 3 */
export async function notRunningOrUnknown(
  paths: Paths,
  app: string,
  daemon: string | undefined,
): Promise<MetactlError> {
  (await import('../supervisor/prepare.ts')).knownDaemons(paths, app, daemon);
  const what = daemon === undefined ? app : `${app}/${daemon}`;
  return new MetactlError(`${what} is not running`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `start it with \`metactl start ${app}${daemon === undefined ? '' : ` ${daemon}`}\``,
    exitStatus: EXIT.notRunning,
  });
}

export { contextOf };
