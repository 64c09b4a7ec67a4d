import type { AppConfig } from '../config/types.ts';
import type { CgroupLimits } from './plan.ts';

/** The daemon's cgroup limits as configured; `infinity` is no limit. Pure. */
export function planLimits(config: AppConfig, daemon: string): CgroupLimits {
  const section = `daemon.${daemon}`;
  const keys = {
    memoryMax: 'memory-max',
    memoryHigh: 'memory-high',
    memorySwapMax: 'memory-swap-max',
    cpuQuota: 'cpu-quota',
    cpuWeight: 'cpu-weight',
    tasksMax: 'tasks-max',
    ioWeight: 'io-weight',
  } as const;
  const limits: { -readonly [K in keyof CgroupLimits]: CgroupLimits[K] } = {};
  for (const [name, key] of Object.entries(keys) as [keyof CgroupLimits, string][]) {
    const value = config.number(section, key);
    if (value !== undefined && Number.isFinite(value)) limits[name] = value;
  }
  return limits;
}
