/** Something of an app that `purge` removes. */
export interface PurgeItem {
  readonly kind: 'files' | 'logs' | 'lease';
  /** A path, or what is leased: `address 10.4.1.7, uid 70003`. */
  readonly name: string;
}
