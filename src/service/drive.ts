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
  const chosen = asked.filter(({ unit }) => needs(unit));
  if (verb !== 'start' && chosen.length === 0) return undefined;
  const reached = verb === 'start' ? new Set<string>() : dependentsOf(chosen, states);
  const along = installed.units.filter((one) => reached.has(one.unit) && !asked.includes(one) && there(one.unit));
  const units = [...chosen, ...along];
  // Named as well, they are waited for as well.
  const named = daemon === undefined ? units : units.map(({ unit }) => ({ unit, daemon }));
  return {
    steps: units.length === 0 ? [] : control[verb]({ ...installed, units: named }, daemon, wait),
    outcome: [...asked, ...along].flatMap((one) => {
      const done = units.includes(one) ? DONE[verb][wait ? 0 : 1] : verb === 'start' ? 'was running' : undefined;
      return done === undefined ? [] : [{ app: installed.app, daemon: one.daemon, done }];
    }),
    up: verb === 'stop' || !wait ? [] : units.map(({ unit }) => unit),
  };
}

/** These units, and what needs them, also by others between them: it stops when they do. Pure. */
export function dependentsOf(
  units: readonly { readonly unit: string }[],
  states: readonly Pick<UnitState, 'unit' | 'needs'>[],
): ReadonlySet<string> {
  const reached = new Set(units.map(({ unit }) => unit));
  // A set that grows while it is gone through has its new ones gone through, too.
  for (const one of reached) {
    for (const { unit, needs } of states) if (needs?.includes(one) === true) reached.add(unit);
  }
  return reached;
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
 * Has the manager do it. @param warn gets what the manager complained of where all is up in the end.
 * @returns undefined where nothing of it runs (`stop`, `restart`).
 * @throws MetactlError METACTL_START_FAILED (1) or METACTL_NOT_READY (5), with what the manager says about each unit that is
 * not up.
 */
export async function drive(
  verb: DrivenVerb,
  driven: Driven,
  daemon: string | undefined,
  wait: boolean,
  warn: (line: string) => void = () => {},
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
  if (failure === undefined) return decision.outcome;
  // A first attempt failed, and the manager's next one has not.
  if (decision.up.length === 0) throw failure;
  for (const line of messageLines(failure)) warn(line);
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

/** Milliseconds for what a manager that knows of readiness tries again by itself, a second after it failed, and that may well come up then. */
const RETRY = 10_000;

/** Milliseconds until a unit may be another than it is now. One that was never ready would take that long again. */
function settling({ state, timedOut }: UnitState): number {
  if (state === 'stopping') return ENDING;
  return state === 'starting' && timedOut !== true ? RETRY : 0;
}

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
    const failed = units.map((unit) => stateIn(states, unit)).filter(({ state }) => !UP.includes(state));
    const settled = failed.every(({ state }) => state === 'failed' || state === 'stopped');
    const longest = Math.max(patience, ...(manager.control.knowsReady === true ? failed.map(settling) : []));
    if (failed.length === 0 || settled || performance.now() - began >= longest) {
      const isCause = ({ unit, state, timedOut }: UnitState) =>
        !units.includes(unit) && (state === 'failed' || timedOut === true);
      return { failed, others: states.filter(isCause) };
    }
    await sleep(PAUSE);
  }
}

/** One that the manager does not tell of is not up. */
function stateIn(states: readonly UnitState[], unit: string): UnitState {
  const told = states.find((one) => one.unit === unit);
  return told ?? { unit, state: 'stopped', reason: 'the service manager does not know its unit' };
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
  const late = causesOf(failed, others).every(({ timedOut }) => timedOut === true);
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

/** Without those that never began, since another one has failed that they need. Pure. */
function causesOf(failed: readonly UnitState[], others: readonly UnitState[]): readonly UnitState[] {
  const all = [...failed, ...others];
  const below = dependentsOf(others, all);
  const waits = ({ unit, state, needs = [] }: UnitState) =>
    state === 'stopped' && (below.has(unit) || all.some((one) => needs.includes(one.unit)));
  const causes = all.filter((one) => !waits(one));
  return causes.length === 0 ? failed : causes;
}
