import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, MetactlError, messageLines } from '../util/error.ts';
import { installedApp } from './install.ts';
import type { Control, InstalledApp, ServiceManager, Step, UnitState } from './manager.ts';
import { runSteps } from './run-steps.ts';

/** Starting, stopping and restarting of apps whose units a service manager has. */

/** An app that is installed, and the manager that has it. */
export interface Driven {
  readonly manager: ServiceManager & { readonly control: Control };
  readonly installed: InstalledApp;
}

export type DrivenVerb = 'start' | 'stop' | 'restart';

/** What became of one unit; `daemon` is undefined for the one of all daemons. */
export interface Driving {
  readonly app: string;
  readonly daemon: string | undefined;
  readonly done: string;
}

/** What a verb means for units as they are. */
export interface Decision {
  readonly steps: readonly Step[];
  readonly outcome: readonly Driving[];
  /** The units that are to be up in the end. */
  readonly up: readonly string[];
}

/**
 * Which commands a verb is. Undefined: there is nothing to be stopped or restarted. Pure.
 * @param daemon one that has a unit; undefined: all.
 */
export function decide(
  verb: DrivenVerb,
  { manager, installed }: Driven,
  daemon: string | undefined,
  wait: boolean,
  states: readonly UnitState[],
): Decision | undefined {
  const { control } = manager;
  const stateOf = new Map(states.map((one) => [one.unit, one.state]));
  const asked = installed.units.filter((one) => daemon === undefined || one.daemon === daemon);
  const there = (unit: string) => !['stopped', 'failed', 'disabled'].includes(stateOf.get(unit) ?? 'stopped');
  const needs = (unit: string) =>
    verb === 'start' ? !['running', 'reloading'].includes(stateOf.get(unit) ?? 'stopped') : there(unit);
  const units = asked.filter(({ unit }) => needs(unit));
  if (verb !== 'start' && units.length === 0) return undefined;
  return {
    steps: units.length === 0 ? [] : control[verb]({ ...installed, units }, daemon, wait),
    outcome: asked.flatMap((one) => {
      const done = units.includes(one) ? DONE[verb][wait ? 0 : 1] : verb === 'start' ? 'was running' : undefined;
      return done === undefined ? [] : [{ app: installed.app, daemon: one.daemon, done }];
    }),
    up: verb === 'stop' || !wait ? [] : units.map(({ unit }) => unit),
  };
}

const DONE: Readonly<Record<DrivenVerb, readonly [waited: string, told: string]>> = {
  start: ['is up', 'is being started'],
  stop: ['is stopped', 'is being stopped'],
  restart: ['is up again', 'is being started again'],
};

/**
 * The manager here that has units of the app, or of this one daemon; undefined: none has.
 * @throws MetactlError METACTL_NEEDS_ROOT (77) where its directory may not be read.
 */
export function drivenBy(
  manager: (ServiceManager & { readonly control: Control }) | undefined,
  app: string,
  nodeId: string,
): Driven | undefined {
  if (manager === undefined) return undefined;
  const installed = installedApp(manager, app, nodeId);
  return installed.units.length === 0 ? undefined : { manager, installed };
}

/** How units are, of several apps at once. @throws MetactlError of the manager */
export async function statesOf(
  { control }: Driven['manager'],
  apps: readonly InstalledApp[],
): Promise<readonly UnitState[]> {
  const [first] = apps;
  if (first === undefined) return [];
  const [output = ''] = await runSteps([control.query({ ...first, units: apps.flatMap(({ units }) => units) })]);
  return control.states(output);
}

/**
 * Has the manager do it. @returns undefined where nothing of it runs (`stop`, `restart`).
 * @throws MetactlError METACTL_START_FAILED (1) or METACTL_NOT_READY (5), with what the manager says about each unit that is
 * not up.
 */
export async function drive(
  verb: DrivenVerb,
  driven: Driven,
  daemon: string | undefined,
  wait: boolean,
): Promise<readonly Driving[] | undefined> {
  const decision = decide(verb, driven, daemon, wait, await statesOf(driven.manager, [driven.installed]));
  if (decision === undefined) return undefined;
  let failure: unknown;
  try {
    await runSteps(decision.steps);
  } catch (error) {
    failure = error;
  }
  await requireUp(driven, decision.up, failure === undefined ? [] : messageLines(failure));
  if (failure !== undefined) throw failure;
  return decision.outcome;
}

/**
 * @param said lines by the manager's program about the start.
 * @throws MetactlError where the manager says that one of these units is not up.
 */
export async function requireUp(driven: Driven, units: readonly string[], said: readonly string[] = []): Promise<void> {
  const { failed, others } = await notYetUp(driven, units);
  if (failed.length > 0) throw notUp(driven, failed, others, said);
}

const UP: readonly UnitState['state'][] = ['running', 'reloading'];
/** Milliseconds between two looks. */
const PAUSE = 200;

/** Milliseconds that a unit which is about to end may take to: only then it is known what it ended with. */
const ENDING = 5000;

/** Those that are not up, as soon as that is certain, and others of the app that have failed. */
async function notYetUp(
  { manager, installed }: Driven,
  units: readonly string[],
): Promise<{ readonly failed: readonly UnitState[]; readonly others: readonly UnitState[] }> {
  if (units.length === 0) return { failed: [], others: [] };
  const began = performance.now();
  const { patience = 0 } = manager.control;
  for (;;) {
    const states = await statesOf(manager, [installed]);
    const failed = states.filter(({ unit, state }) => units.includes(unit) && !UP.includes(state));
    const settled = failed.every(({ state }) => state === 'failed' || state === 'stopped');
    const longest = failed.some(({ state }) => state === 'stopping') ? Math.max(patience, ENDING) : patience;
    if (failed.length === 0 || settled || performance.now() - began >= longest) {
      return { failed, others: states.filter(({ unit, state }) => !units.includes(unit) && state === 'failed') };
    }
    await sleep(PAUSE);
  }
}

function notUp(
  { manager, installed }: Driven,
  failed: readonly UnitState[],
  others: readonly UnitState[],
  said: readonly string[],
): MetactlError {
  const line = (how: string) => (one: UnitState) => {
    const daemon = installed.units.find(({ unit }) => unit === one.unit)?.daemon;
    const label = daemon === undefined ? installed.app : `${installed.app}/${daemon}`;
    return `${label} ${how}${one.state}${one.reason === undefined ? '' : `: ${one.reason}`}`;
  };
  // The manager says what its units don't: that one is masked, or that another one failed, which it depends on.
  const unexplained = failed.some(({ reason }) => reason === undefined);
  const lines = [...failed.map(line('is not up, but ')), ...(unexplained ? [...others.map(line('is ')), ...said] : [])];
  const late = failed.every(({ timedOut }) => timedOut === true);
  const masked = manager.name === 'systemd' && said.some((one) => / is masked\.$/.test(one));
  const log = 'what the supervisor said is in the log of its unit';
  return new MetactlError(lines, {
    code: late ? 'METACTL_NOT_READY' : 'METACTL_START_FAILED',
    step: 'start the units',
    hint: masked
      ? `somebody has masked it; systemctl unmask ${failed.map(({ unit }) => unit).join(' ')} lets it be started again`
      : `metactl why ${installed.app} tells more; ${log}`,
    details: { units: failed },
    exitStatus: late ? EXIT.notReady : EXIT.error,
  });
}
