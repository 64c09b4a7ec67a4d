/**
 * What the kernel's monotonic clock shows when this process's `performance.now()` shows zero, in milliseconds: a time of one
 * process becomes one of another by the difference of their origins.
 */
export function clockOrigin(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}
