import { constants } from 'node:os';
import type { AppConfig } from '../../config/types.ts';
import { platformNamed } from '../../platform/index.ts';

/** A daemon's restart keys, read (durations in milliseconds). Names follow systemd's directives. */
export interface RestartSettings {
  readonly restart: 'no' | 'on-failure' | 'always';
  readonly restartSec: number;
  readonly restartMaxDelaySec: number;
  /** A run this long is stable: the next restart is immediate and the back-off starts anew. */
  readonly restartResetSec: number;
  /** Automatic starts within the interval after which it gives up; 0: never. */
  readonly startLimitBurst: number;
  readonly startLimitIntervalSec: number;
  readonly successExitStatus: readonly string[];
  readonly restartPreventExitStatus: readonly string[];
}

/** How a daemon is stopped. */
export interface StopSettings {
  /** Signal number; undefined: the signal that asked metactl to stop, else SIGTERM. */
  readonly killSignal: number | undefined;
  /** Milliseconds until SIGKILL; Infinity: never. */
  readonly timeout: number;
  /** Ask for a list of threads (SIGQUIT, as JVMs have it) a little before SIGKILL. */
  readonly threadDump: boolean;
}

/** All that the state machine must know of a daemon's configuration. */
export interface DaemonSettings {
  readonly restart: RestartSettings;
  readonly stop: StopSettings;
  /** Undefined: it is not told to reload. */
  readonly reloadSignal: number | undefined;
  /** Milliseconds that a reload which it tells of may take; Infinity: as long as it likes. */
  readonly reloadTimeout: number;
  /** There is a `ready` condition: it is `starting` until a report says `ready`. */
  readonly gated: boolean;
}

/** Reads a daemon's restart keys; the schema has filled in defaults. Pure. */
export function restartSettings(config: AppConfig, daemon: string): RestartSettings {
  const section = `daemon.${daemon}`;
  const restart = config.text(section, 'restart') ?? 'on-failure';
  return {
    restart: restart === 'no' || restart === 'always' ? restart : 'on-failure',
    restartSec: config.number(section, 'restart-sec') ?? 100,
    restartMaxDelaySec: config.number(section, 'restart-max-delay-sec') ?? 30_000,
    restartResetSec: config.number(section, 'restart-reset-sec') ?? 30_000,
    startLimitBurst: config.number(section, 'start-limit-burst') ?? 0,
    startLimitIntervalSec: config.number(section, 'start-limit-interval-sec') ?? 600_000,
    successExitStatus: config.words(section, 'success-exit-status') ?? [],
    restartPreventExitStatus: config.words(section, 'restart-prevent-exit-status') ?? [],
  };
}

/** As in the schema. ms */
export const READY_TIMEOUT = 90_000;
export const STOP_TIMEOUT = 30_000;

const signals: Readonly<Record<string, number>> = constants.signals;

/** A signal as the schema lets it through: `SIGTERM` or a number. */
function signalNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : signals[text];
}

/** Reads a daemon's stop keys; the schema has checked the signal's name. Pure. */
export function stopSettings(config: AppConfig, daemon: string): StopSettings {
  const section = `daemon.${daemon}`;
  return {
    killSignal: signalNumber(config.text(section, 'kill-signal')),
    timeout: config.number(section, 'timeout-stop-sec') ?? STOP_TIMEOUT,
    threadDump: platformNamed(config.text(section, 'platform') ?? 'exec').threadDump === true,
  };
}

/** @param gated whether a readiness watch will report. Pure. */
export function daemonSettings(config: AppConfig, daemon: string, gated: boolean): DaemonSettings {
  return {
    restart: restartSettings(config, daemon),
    stop: stopSettings(config, daemon),
    reloadSignal: signalNumber(config.text(`daemon.${daemon}`, 'reload-signal')),
    // It is ready again after that.
    reloadTimeout: config.number(`daemon.${daemon}`, 'ready.timeout') ?? READY_TIMEOUT,
    gated,
  };
}
