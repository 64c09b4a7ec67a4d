import type { Host } from '../host/host.ts';
import type { Daemon } from './state/types.ts';

/**
 * Loads what is otherwise loaded when it is first needed: a supervisor outlives the files that it was started from, which an
 * upgrade takes away.
 * @param prepares whether it will prepare apps, too, and not only run what has been prepared.
 */
export async function preload(host: Host, { prepares }: { readonly prepares: boolean }): Promise<void> {
  await Promise.all([
    host.preload(),
    import('../sandbox/seccomp/call-name.ts'),
    ...(prepares ? [import('../sandbox/seccomp/index.ts')] : []),
  ]);
}

/** Milliseconds after a first start: what starts with it, or ends at once, is not held up. */
const PAUSE = 250;

/**
 * The same for who is waited for: once the first of the daemons has been started. What can't be loaded is noticed by whoever
 * needs it. @returns a function that ends the waiting.
 */
export function preloadAfterStart(host: Host, daemons: readonly Daemon[]): () => void {
  let timer: NodeJS.Timeout | undefined;
  const load = () => void preload(host, { prepares: false }).catch(() => {});
  const ends = daemons.map((daemon) =>
    daemon.onEvent(({ type }) => {
      if (type === 'running') timer ??= setTimeout(load, PAUSE).unref();
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const end of ends) end();
  };
}
