import { nativeFiles } from './native-files.ts';
import { loadNetlink } from './rtnetlink.ts';

/** See Host.preload: the pieces that the backend loads at first use, the addon, metactl-init and, for `gc`, netlink. */
export async function preload({ gc }: { readonly gc: boolean }): Promise<void> {
  await Promise.all([
    import('./app.ts'),
    import('./app-firewall.ts'),
    import('./app-firewall-table.ts'),
    import('./arp-probe.ts'),
    import('./running.ts'),
    import('./seccomp-log.ts'),
    import('./uplink.ts'),
  ]);
  nativeFiles();
  // Without it, apps that need no network of their own can run all the same; the others tell what is missing.
  if (gc) await loadNetlink().catch(() => {});
}
