import { readFileSync } from 'node:fs';

/**
 * How many system call filters this test process has itself, and everything that it starts: one where the tests run as on
 * an older kernel (`npm run test:old-kernel`), otherwise none.
 */
export function ownFilters(): number {
  const found = /^Seccomp_filters:\s*(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1] ?? 0);
}
