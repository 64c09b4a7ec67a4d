import { escapeText } from '../../util/escape.ts';
import { isAtRest } from '../state/group.ts';
import type { DaemonStatus } from '../state/types.ts';
import { stateInWords } from './words.ts';

/** All that a service manager's view of a unit is made from. */
export interface UnitView {
  readonly daemons: readonly DaemonStatus[];
  /** The unit ends: somebody asked for it, or there is nothing left to run. */
  readonly ending: boolean;
  /** What follows from SIGHUP is under way. */
  readonly reloading: boolean;
  /** Instead of the daemons' states: an error, or what comes before the daemons. */
  readonly note: string | undefined;
}

export type Phase = 'starting' | 'up' | 'reloading' | 'stopping';

/** What the service manager was told last. */
export interface Told {
  readonly phase: Phase;
  readonly status: string;
}

export const NOTHING_TOLD: Told = { phase: 'starting', status: '' };

/** Characters of STATUS=: systemd refuses messages of more than a page. */
const LONGEST_STATUS = 600;

/**
 * What sd_notify(3) must say for the manager to see the unit as it is. Pure.
 * @param monotonic CLOCK_MONOTONIC, µs: systemd compares it with when it asked for the reload.
 * @returns no message where it knows all.
 */
export function notifyMessage(
  before: Told,
  view: UnitView,
  monotonic: bigint,
): { readonly told: Told; readonly message: string | undefined } {
  const phase = phaseOf(before.phase, view);
  const status = shortened(view.note ?? stateInWords(view.daemons));
  const lines = [
    ...(phase === before.phase ? [] : changeLines(phase, monotonic)),
    // The last one: what is in it can't do anything to the others.
    ...(status === before.status ? [] : [`STATUS=${doubled(status)}`]),
  ];
  return { told: { phase, status }, message: lines.length === 0 ? undefined : lines.join('\n') };
}

/**
 * Once up, a unit stays up while its daemons are started again: that is this supervisor's business, which STATUS= tells of.
 * Before, each must be ready, or run where nothing tells that it is ready, or have ended well after its start.
 */
function phaseOf(before: Phase, { daemons, ending, reloading }: UnitView): Phase {
  if (ending || before === 'stopping') return 'stopping';
  if (before === 'starting' && !isUp(daemons)) return 'starting';
  return reloading || daemons.some(({ state }) => state === 'reloading') ? 'reloading' : 'up';
}

function isUp(daemons: readonly DaemonStatus[]): boolean {
  const endedWell = ({ state, starts }: DaemonStatus) => state === 'stopped' && starts.manual > 0;
  return daemons.length > 0 && daemons.every((daemon) => daemon.ready || endedWell(daemon));
}

function changeLines(phase: Phase, monotonic: bigint): readonly string[] {
  if (phase === 'stopping') return ['STOPPING=1'];
  return phase === 'reloading' ? ['RELOADING=1', `MONOTONIC_USEC=${monotonic}`] : ['READY=1'];
}

/** How long a manager is asked to wait on from each such message, and how often it gets one. ms */
export const EXTENSION = 15_000;
export const EXTENSION_PERIOD = 5_000;

/**
 * Asks for more time as long as the daemons use up no more than their own timeouts. A first attempt to start has
 * `ready.timeout`, or as much as the daemon asked for. A start whose first attempt failed gets no more than what the unit
 * allows, or a daemon that keeps failing would hold up the boot for ever. Pure.
 * @param overdue a daemon did not end within `timeout-stop-sec`.
 */
export function extensionMessage({ phase }: Told, { daemons }: UnitView, overdue: boolean): string | undefined {
  const inTime =
    phase === 'starting'
      ? daemons.every(
          ({ ready, state, restarts }) => ready || isAtRest(state) || (state === 'starting' && restarts === 0),
        )
      : phase === 'stopping' && !overdue && daemons.some(({ state }) => !isAtRest(state));
  return inTime ? `EXTEND_TIMEOUT_USEC=${EXTENSION * 1000}` : undefined;
}

/**
 * Whether the manager's watchdog gets its sign of life: unless a daemon runs and its health probe says it is not well, and
 * nobody does anything about it (`health.action = alert`). One that did not say that its reload ended may be well. While one is ended and started again, this supervisor does what has to be done. Pure.
 */
export function isHealthy({ daemons }: UnitView): boolean {
  return daemons.every(({ unwell }) => !unwell);
}

function shortened(text: string): string {
  const safe = escapeText(text);
  return safe.length > LONGEST_STATUS ? `${[...safe].slice(0, LONGEST_STATUS).join('')}…` : safe;
}

/**
 * systemd (seen with 252) takes a message apart as it does words: a backslash goes, and what follows it stands for itself, a
 * line feed too; one at the end makes it drop the message, READY=1 included. Doubled, they arrive as they are meant. A manager that
 * does no such thing shows both.
 */
function doubled(text: string): string {
  return text.replaceAll('\\', '\\\\');
}
