import { nativeFiles } from './native-files.ts';

/** See Host.preload: the pieces that the backend loads at first use, the addon and metactl-init. Only gc needs npm `netlink`. */
export async function preload(): Promise<void> {
  await Promise.all([
    import('./app.ts'),
    import('./app-firewall.ts'),
    import('./app-firewall-table.ts'),
    import('./arp-probe.ts'),
    import('./rule-watch.ts'),
    import('./running.ts'),
    import('./seccomp-log.ts'),
    import('./uplink.ts'),
  ]);
  nativeFiles();
}
