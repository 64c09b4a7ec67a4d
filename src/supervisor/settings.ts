import { constants } from 'node:os';
import type { AppConfig } from '../config/types.ts';
import { MetactlError } from '../util/error.ts';
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

/** Reads a daemon's stop keys. Pure. @throws MetactlError (78) for a signal that is none. */
export function stopSettings(config: AppConfig, daemon: string): StopSettings {
  const section = `daemon.${daemon}`;
  const name = config.text(section, 'kill-signal');
  return {
    killSignal: name === undefined ? undefined : signalNumber(name, section),
    timeout: config.number(section, 'timeout-stop-sec') ?? 30_000,
  };
}

/** `SIGTERM`, `TERM` or `15` → 15. @throws MetactlError (78) */
export function signalNumber(name: string, section: string): number {
  const upper = name.toUpperCase();
  const signals = constants.signals as Readonly<Record<string, number>>;
  const found = /^\d+$/.test(name) ? Number(name) : (signals[upper] ?? signals[`SIG${upper}`]);
  if (found !== undefined && found >= 1 && found <= 64) return found;
  throw new MetactlError(`[${section}] kill-signal: \`${name}\` is no signal`, {
    code: 'METACTL_BAD_SIGNAL',
    hint: 'use a name of kill -l, such as SIGTERM',
    exitStatus: 78,
  });
}
