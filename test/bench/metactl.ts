import type { Prepared } from '../../src/supervisor/prepare.ts';
import type { Launcher } from './launcher.ts';
import { openDaemon, startFirst } from './site.ts';
import { microseconds, now } from './statistics.ts';

/** Starts in a live supervisor whose app has its network: what a start or restart of a daemon costs. */
export async function warmLauncher(name: string, prepared: Prepared): Promise<Launcher & { close(): Promise<void> }> {
  const plan = prepared.plans[0]!;
  const handle = await openDaemon(prepared, plan);
  return {
    name,
    async launch() {
      const called = now();
      const { sandbox, printed } = await startFirst(handle, plan);
      const first = microseconds(called, await printed);
      await sandbox.ended;
      return { first, exit: microseconds(called, now()) };
    },
    close: () => handle.close(),
  };
}

/** The first start of an app: its network namespace, links, addresses, routes and cgroups are made, and removed after. */
export function coldLauncher(name: string, prepared: Prepared): Launcher {
  const plan = prepared.plans[0]!;
  return {
    name,
    async launch() {
      const called = now();
      const handle = await openDaemon(prepared, plan);
      try {
        const { sandbox, printed } = await startFirst(handle, plan);
        const first = microseconds(called, await printed);
        await sandbox.ended;
        return { first, exit: microseconds(called, now()) };
      } finally {
        await handle.close();
      }
    },
  };
}
