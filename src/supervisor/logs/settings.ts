import type { AppConfig } from '../../config/types.ts';

export type LogTarget = 'file' | 'journal' | 'syslog' | 'stdout';

/** Where a daemon's output goes, and how long its files are kept. */
export interface LogSettings {
  readonly to: LogTarget;
  readonly rotation: RotationSettings;
}

export interface RotationSettings {
  /** Bytes that no file exceeds. */
  readonly maxSize: number;
  /** A new file each day (UTC). */
  readonly daily: boolean;
  /** Rotated files that are kept. */
  readonly maxFiles: number;
  /** Milliseconds; Infinity: for ever. */
  readonly maxAge: number;
}

/** Reads a daemon's `log.*` keys; the schema has checked them. @param unset what `log.to` is where nobody says. Pure. */
export function logSettings(config: AppConfig, daemon: string, unset: LogTarget): LogSettings {
  const section = `daemon.${daemon}`;
  return {
    to: logTarget(config, daemon) ?? unset,
    rotation: {
      maxSize: config.number(section, 'log.max-size') ?? 50 << 20,
      daily: config.text(section, 'log.rotate') !== 'size',
      maxFiles: config.number(section, 'log.max-files') ?? 30,
      maxAge: config.number(section, 'log.max-age') ?? Number.POSITIVE_INFINITY,
    },
  };
}

/** What `log.to` says; undefined where nobody says. Pure. */
export function logTarget(config: AppConfig, daemon: string): LogTarget | undefined {
  return config.text(`daemon.${daemon}`, 'log.to') as LogTarget | undefined;
}

/** What `plan` says of it. @param file where a file would be. Pure. */
export function describeLog({ to, rotation }: LogSettings, file: string): string {
  if (to !== 'file') return to === 'stdout' ? 'output of the supervisor' : to;
  const { maxSize, daily, maxFiles, maxAge } = rotation;
  const age = Number.isFinite(maxAge) ? ` or ${formatAge(maxAge)}` : '';
  return `${file}, rotated ${daily ? 'daily and ' : ''}at ${maxSize} bytes, ${maxFiles} files${age} kept`;
}

function formatAge(milliseconds: number): string {
  const days = milliseconds / 86_400_000;
  return Number.isInteger(days) ? `${days} days` : `${Math.round(milliseconds / 1000)} s`;
}
