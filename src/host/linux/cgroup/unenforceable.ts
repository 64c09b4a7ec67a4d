import { EXIT, MetactlError } from '../../../util/error.ts';

/** A limit that this machine can't enforce. */
export interface Unenforceable {
  /** As in the configuration: `memory-high`. */
  readonly key: string;
  readonly reason: string;
}

/** Every reason there is. */
export const REASONS = {
  notRoot: 'only root can make cgroups',
  noController: (name: string) => `this machine has no ${name} controller`,
  noFile: (file: string) => `this kernel has no ${file}`,
  noHigh: 'cgroup v1 has no such limit',
  noSwapAccounting: 'the kernel does not account swap (it was started with swapaccount=0 or without CONFIG_SWAP)',
  swapWithoutMemory: 'cgroup v1 limits swap only together with memory, and memory-max is not set',
  tinyQuota: 'the kernel knows no quota below 0.1 % of a CPU',
  weightRange: 'weights go from 1 to 10000',
  noBfq: 'on cgroup v1 only the BFQ scheduler obeys weights, and no block device uses it',
  noIoScheduler: 'no block device uses the BFQ scheduler or has io.cost switched on',
} as const;

/** Pure. */
export function limitsError(unenforceable: readonly Unenforceable[]): MetactlError {
  const list = unenforceable.map(({ key, reason }) => `${key} (${reason})`).join(', ');
  return new MetactlError(`can't enforce ${list}`, {
    code: 'METACTL_LIMIT_UNENFORCEABLE',
    step: 'check limits',
    hint: 'remove the limit, or set `[sandbox] best-effort = yes` in the node file to start without it',
    details: { unenforceable },
    exitStatus: EXIT.configuration,
  });
}

/** Pure: one line per limit. */
export function limitsWarnings(unenforceable: readonly Unenforceable[]): string[] {
  return unenforceable.map(({ key, reason }) => `${key} is not enforced: ${reason}`);
}
