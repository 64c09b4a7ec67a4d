import { EXIT, MetactlError } from '../util/error.ts';

/** Something of an app that `purge` removes. */
export interface PurgeItem {
  readonly kind: 'files' | 'logs' | 'lease';
  /** A path, or what is leased: `address 10.4.1.7, uid 70003`. */
  readonly name: string;
  /** What is mounted there or below: then nothing is removed. */
  readonly mounts?: readonly string[];
}

/** What is mounted somewhere is not the app's. Pure. @throws MetactlError METACTL_MOUNTED (1) */
export function requireNoMounts(items: readonly PurgeItem[]): void {
  const mounts = items.flatMap((item) => item.mounts ?? []);
  const [first] = mounts;
  if (first === undefined) return;
  throw new MetactlError(
    mounts.map((path) => `won't remove what is mounted at ${path}`),
    {
      code: 'METACTL_MOUNTED',
      step: 'purge the app',
      path: first,
      hint: 'unmount it first (umount)',
      details: { mounts },
      exitStatus: EXIT.error,
    },
  );
}
