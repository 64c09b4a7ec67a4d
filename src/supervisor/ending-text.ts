import { constants } from 'node:os';
import type { Ending } from '../host/host.ts';
import type { CgroupLimits } from '../sandbox/plan.ts';
import { diedOfMemory } from './state/restart-policy.ts';

/** The first name of each number. */
const NAMES = new Map(
  Object.entries(constants.signals)
    .map(([name, number]) => [number, name] as const)
    .reverse(),
);

/** `SIGKILL` for 9. Pure. */
export function signalName(signal: number): string {
  return NAMES.get(signal) ?? `signal ${signal}`;
}

/**
 * How a daemon ended, in words: `was killed by the kernel: out of memory (memory-max 32m)`. Pure.
 * @param killedFor the call that the system call filter killed it for, where the kernel tells.
 */
export function describeEnding(ending: Ending, limits: CgroupLimits, killedFor?: string): string {
  if (!ending.oomKilled) return describeOrdinary(ending, killedFor);
  const limit = limits.memoryMax === undefined ? '' : ` (memory-max ${megabytes(limits.memoryMax)})`;
  if (diedOfMemory(ending)) return `was killed by the kernel: out of memory${limit}`;
  // Not the daemon itself, though it may have ended because of it: a shell passes 137 on.
  return `${describeOrdinary(ending)}; the kernel had killed a process of it: out of memory${limit}`;
}

function describeOrdinary(ending: Ending, killedFor?: string): string {
  if (ending.sandboxDied) return 'ended with its sandbox: PID 1 of the sandbox was killed';
  if (killedFor !== undefined) return `was killed by the system call filter for ${killedFor} (SIGSYS)`;
  if (ending.signal !== undefined) {
    return `died of ${signalName(ending.signal)}${ending.coreDumped ? ' (core dumped)' : ''}`;
  }
  return `ended with status ${ending.code}`;
}

function megabytes(bytes: number): string {
  return bytes % 1048576 === 0 ? `${bytes / 1048576}m` : `${Math.round(bytes / 1024)}k`;
}
