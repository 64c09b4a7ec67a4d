/**
 * Milliseconds of the kernel's monotonic clock, whole ones. For what runs before a daemon does: the first use of
 * `performance` loads modules of Node's for more than a millisecond.
 */
export function monotonic(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
