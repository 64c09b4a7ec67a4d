import type { CgroupFacts } from '../../host.ts';
import type { PublishedAt } from '../../published.ts';
import type { ForwardJudgement } from '../firewall/judge.ts';

/**
 * What `doctor` looks at: plain data, so that other machines can be recorded. Texts are as the kernel gives them, without
 * white space at the end.
 */
export interface MachineFacts {
  readonly root: boolean;
  /** `6.1.0-18-amd64` */
  readonly kernel: string;
  /** `20.19.0` */
  readonly node: string;
  /**
   * What was tried for real, by name: '' where it worked, else the errno's name. Absent: it could not be tried.
   * `module`: it is there as a kernel module that isn't loaded; trying it would load it.
   */
  readonly probes: Readonly<Record<string, string>>;
  /** Texts of files by path; absent where there is none. */
  readonly files: Readonly<Record<string, string>>;
  readonly cgroup: CgroupFacts;
  readonly rlimits: Readonly<Record<string, readonly [number, number]>>;
  readonly clock: { readonly synchronised: boolean } | undefined;
  readonly disks: readonly DiskFacts[];
  /** `[network]` as configured. `published`: an app publishes ports; `publishedAt`: at addresses that it names. */
  readonly network: {
    readonly pool: boolean;
    readonly published?: boolean;
    readonly publishedAt?: readonly PublishedAt[];
    readonly uplink: string | undefined;
  };
  /** Some root's metactl has switched on IPv6 forwarding on all devices, because this kernel has no other switch. */
  readonly ownForwarding6?: boolean;
  /** Chains of others that forwarded packets go through; undefined where they could not be read. */
  readonly firewalls: readonly ForwardJudgement[] | undefined;
}

/** A place where metactl writes. */
export interface DiskFacts {
  readonly path: string;
  /** The nearest directory above it that is there. */
  readonly existing: string;
  /** Bytes. */
  readonly free: number;
  readonly size: number;
  /** 0 and 0 for a file system that makes inodes as it needs them. */
  readonly inodesFree: number;
  readonly inodes: number;
}

/** Text of a file below /proc/sys; undefined where the kernel has no such key. Pure. */
export function sysctlOf(facts: MachineFacts, key: string): string | undefined {
  return facts.files[`/proc/sys/${key}`];
}

/** Whether a version (`6.1.0-18-amd64`) is at least so new. Pure. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [itsMajor = 0, itsMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return itsMajor > major || (itsMajor === major && itsMinor >= minor);
}
