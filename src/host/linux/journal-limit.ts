import { readFileSync, readlinkSync } from 'node:fs';

/** An interval of so few microseconds never sees more than one line: there is no limit. */
const HARMLESS = 1000;

/**
 * The unit of systemd that a process is in, where journald limits what the unit says; undefined where there is none, or no limit.
 * journald.conf(5) may have none for all; that isn't looked at.
 */
export function limitedUnit(pid: number): string | undefined {
  const unit = unitOf(read(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? '');
  if (unit === undefined) return undefined;
  // systemd tells journald this way what the unit says of it (src/core/unit.c, unit_export_log_ratelimit_interval).
  const interval = read(() => readlinkSync(`/run/systemd/units/log-rate-limit-interval:${unit}`));
  return interval !== undefined && Number(interval) <= HARMLESS ? undefined : unit;
}

/**
 * From /proc/PID/cgroup: the first part of the path that is no slice, as journald finds it (cg_path_get_unit). Pure.
 */
export function unitOf(text: string): string | undefined {
  const path = /^\d+:name=systemd:(.*)$/m.exec(text)?.[1] ?? /^0::(.*)$/m.exec(text)?.[1] ?? '';
  const first = path.split('/').find((part) => part !== '' && !part.endsWith('.slice'));
  return first !== undefined && /^[^.].*\.(?:service|scope|socket|mount|swap)$/.test(first) ? first : undefined;
}

function read(act: () => string): string | undefined {
  try {
    return act();
  } catch {
    // It is gone, or nothing is said.
    return undefined;
  }
}
