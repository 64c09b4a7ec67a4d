/** One thing that `gc` removed, or with `--dry-run` would remove. */
export interface GcItem {
  /** Undefined for what the node's apps share. */
  readonly app: string | undefined;
  readonly kind: 'sandbox' | 'cgroup' | 'network' | 'firewall' | 'link' | 'mount' | 'ids' | 'file' | 'nft' | 'sysctl';
  /** Path or name of it. */
  readonly name: string;
}
