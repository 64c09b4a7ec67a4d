import type { Host } from '../host/host.ts';

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
