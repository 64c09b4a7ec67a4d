import type { CgroupLimits } from '../../../sandbox/plan.ts';
import type { CgroupFacts } from '../../host.ts';
import { limitsError, limitsWarnings, REASONS, type Unenforceable } from './unenforceable.ts';

/** One value for one file of a daemon's cgroup. */
export interface LimitWrite {
  readonly controller: 'memory' | 'cpu' | 'pids' | 'io' | 'blkio';
  readonly file: string;
  readonly value: string;
  /** The key it carries out. */
  readonly key: string;
}

export interface LimitsPlan {
  /** In the order in which they must be written to a new cgroup, where nothing is limited yet. */
  readonly writes: readonly LimitWrite[];
  readonly unenforceable: readonly Unenforceable[];
}

/** The kernel's default; longer periods let a daemon use up its quota in one go and then stand still. */
const CPU_PERIOD = 100_000;
/** Largest period and smallest quota that the kernel takes, microseconds. */
const LONGEST_PERIOD = 1_000_000;
const SMALLEST_QUOTA = 1_000;
const MAX_WEIGHT = 10_000;

/**
 * Limits → files and values, for the versions that this machine has. Pure; see `checkLimits` for what becomes of
 * unenforceable ones.
 *
 * - `memory-max`: memory.limit_in_bytes / memory.max. v1's memory+swap limit must not be below it, so on v1 it is written
 *   first: a new cgroup has no limits, so both are lowered.
 * - `memory-swap-max` is swap alone, as on v2. v1 limits the sum: memory.memsw.limit_in_bytes = memory-max + memory-swap-max.
 * - `cpu-quota`: cpu.cfs_period_us + cpu.cfs_quota_us / cpu.max, period 100 ms (longer below 1 % of a CPU).
 * - `cpu-weight`: cpu.weight on v2. v1's cpu.shares has 1024 where the weight has 100, and the kernel turns both into the
 *   same scheduler weight by that factor; so shares = weight × 1024 / 100 (10…102400, within v1's 2…262144).
 * - `io-weight`: io.weight takes it as it is. BFQ knows 1…1000 with the same default of 100: up to 100 as it is, above that
 *   100…10000 is laid linearly over 100…1000, as systemd does.
 */
export function planLimits(limits: CgroupLimits, facts: CgroupFacts): LimitsPlan {
  const writes: LimitWrite[] = [];
  const unenforceable: Unenforceable[] = [];
  for (const [limit, { key, plan }] of Object.entries(PLANNERS)) {
    const value = limits[limit as keyof CgroupLimits];
    if (value === undefined || !Number.isFinite(value)) continue;
    const planned = facts.permitted === false ? REASONS.notRoot : plan(value, facts, limits);
    if (typeof planned === 'string') unenforceable.push({ key, reason: planned });
    else for (const write of planned) writes.push({ ...write, key });
  }
  return { writes, unenforceable };
}

/**
 * Whether this machine can enforce the limits.
 * @returns one warning for each limit that it can't, with `bestEffort`.
 * @throws MetactlError METACTL_LIMIT_UNENFORCEABLE (78) naming all of them, without.
 */
export function checkLimits(limits: CgroupLimits, facts: CgroupFacts, bestEffort: boolean): readonly string[] {
  const { unenforceable } = planLimits(limits, facts);
  if (unenforceable.length > 0 && !bestEffort) throw limitsError(unenforceable);
  return limitsWarnings(unenforceable);
}

type Planned = readonly Omit<LimitWrite, 'key'>[] | string;
interface Planner {
  readonly key: string;
  /** @returns what to write, or the reason why it can't be enforced. */
  readonly plan: (value: number, facts: CgroupFacts, limits: CgroupLimits) => Planned;
}

const PLANNERS: Readonly<Record<keyof CgroupLimits, Planner>> = {
  memoryMax: { key: 'memory-max', plan: (value, { controllers }) => planMemoryMax(value, controllers.memory?.version) },
  memorySwapMax: { key: 'memory-swap-max', plan: planSwapMax },
  memoryHigh: { key: 'memory-high', plan: (value, { controllers }) => planHigh(value, controllers.memory?.version) },
  cpuQuota: { key: 'cpu-quota', plan: (value, { controllers }) => planQuota(value, controllers.cpu?.version) },
  cpuWeight: { key: 'cpu-weight', plan: (value, { controllers }) => planWeight(value, controllers.cpu?.version) },
  tasksMax: {
    key: 'tasks-max',
    plan: (value, { controllers }) =>
      controllers.pids === undefined
        ? REASONS.noController('pids')
        : [{ controller: 'pids', file: 'pids.max', value: whole(value) }],
  },
  ioWeight: { key: 'io-weight', plan: planIoWeight },
};

/** Numbers as the kernel reads them: no exponent, no fraction. */
function whole(value: number): string {
  return BigInt(Math.floor(value)).toString();
}

function planMemoryMax(value: number, version: 1 | 2 | undefined): Planned {
  if (version === undefined) return REASONS.noController('memory');
  const file = version === 1 ? 'memory.limit_in_bytes' : 'memory.max';
  return [{ controller: 'memory', file, value: whole(value) }];
}

function planHigh(value: number, version: 1 | 2 | undefined): Planned {
  if (version === undefined) return REASONS.noController('memory');
  if (version === 1) return REASONS.noHigh;
  return [{ controller: 'memory', file: 'memory.high', value: whole(value) }];
}

function planSwapMax(value: number, facts: CgroupFacts, limits: CgroupLimits): Planned {
  const version = facts.controllers.memory?.version;
  if (version === undefined) return REASONS.noController('memory');
  if (!facts.swapAccounting) return REASONS.noSwapAccounting;
  if (version === 2) return [{ controller: 'memory', file: 'memory.swap.max', value: whole(value) }];
  if (limits.memoryMax === undefined || !Number.isFinite(limits.memoryMax)) return REASONS.swapWithoutMemory;
  const sum = whole(Math.floor(limits.memoryMax) + Math.floor(value));
  return [{ controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: sum }];
}

function planQuota(value: number, version: 1 | 2 | undefined): Planned {
  if (version === undefined) return REASONS.noController('cpu');
  const period = Math.min(LONGEST_PERIOD, Math.max(CPU_PERIOD, Math.ceil(SMALLEST_QUOTA / value)));
  const quota = Math.round(value * period);
  if (quota < SMALLEST_QUOTA) return REASONS.tinyQuota;
  if (version === 2) return [{ controller: 'cpu', file: 'cpu.max', value: `${quota} ${period}` }];
  return [
    { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(period) },
    { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(quota) },
  ];
}

function planWeight(value: number, version: 1 | 2 | undefined): Planned {
  if (version === undefined) return REASONS.noController('cpu');
  if (value < 1 || value > MAX_WEIGHT) return REASONS.weightRange;
  if (version === 2) return [{ controller: 'cpu', file: 'cpu.weight', value: whole(value) }];
  return [{ controller: 'cpu', file: 'cpu.shares', value: whole((value * 1024) / 100) }];
}

function planIoWeight(value: number, facts: CgroupFacts): Planned {
  const controller = facts.controllers.blkio !== undefined ? 'blkio' : 'io';
  if (facts.controllers[controller] === undefined) return REASONS.noController('io');
  if (value < 1 || value > MAX_WEIGHT) return REASONS.weightRange;
  const file = facts.ioWeightFile ?? (controller === 'blkio' ? 'blkio.bfq.weight' : 'io.weight');
  if (!facts.ioWeight) return controller === 'blkio' ? REASONS.noBfq : REASONS.noIoScheduler;
  if (file === 'io.weight') return [{ controller, file, value: `default ${whole(value)}` }];
  const bfq = value <= 100 ? value : 100 + ((value - 100) * 900) / 9900;
  return [{ controller, file, value: whole(bfq) }];
}
