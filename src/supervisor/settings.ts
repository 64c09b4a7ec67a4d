import { constants } from 'node:os';
import type { AppConfig } from '../config/types.ts';
import type { RestartSettings } from './restart-policy.ts';

/** How a daemon is stopped. */
export interface StopSettings {
  /** Signal number; undefined: the signal that asked metactl to stop, else SIGTERM. */
  readonly killSignal: number | undefined;
  /** Milliseconds until SIGKILL. */
  readonly timeout: number;
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
    successExitStatus: config.words(section, 'success-exit-status') ?? [],
    restartPreventExitStatus: config.words(section, 'restart-prevent-exit-status') ?? [],
  };
}

const signals: Readonly<Record<string, number>> = constants.signals;

/** Reads a daemon's stop keys; the schema has checked the signal's name. Pure. */
export function stopSettings(config: AppConfig, daemon: string): StopSettings {
  const section = `daemon.${daemon}`;
  const name = config.text(section, 'kill-signal');
  return {
    killSignal: name === undefined ? undefined : signals[name],
    timeout: config.number(section, 'timeout-stop-sec') ?? 30_000,
  };
}
