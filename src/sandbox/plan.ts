import type { PublishedPort } from '../util/publish.ts';

/**
 * SandboxPlan: plain data that says exactly what will be done to start one daemon (DESIGN §5). `metactl plan` prints
 * it; `src/host/linux` encodes it for the addon. Nothing in it is decided later, except file descriptors and pids.
 */

export interface SandboxPlan {
  readonly app: string;
  readonly daemon: string;
  /** False for `[sandbox] enabled = no`: supervision and limits only; then `root`, `hostname` and `network` are not acted on. */
  readonly sandboxed: boolean;
  readonly hostname: string;
  /**
   * The daemon's pid in its PID namespace; later processes get pids above it. Absent: 2. Differs between an app's
   * sandboxes because programs name files after their pid in the /tmp that these share. Where the kernel can't, it is 2.
   */
  readonly firstPid?: number;
  readonly network: NetworkPlan;
  /** Absent: the app may connect to everything that the host can. The same for all daemons of an app. */
  readonly firewall?: FirewallPlan;
  readonly root: RootPlan;
  /** Absent: the ids inside are those of the host. */
  readonly userNamespace?: UserNamespacePlan;
  /** The daemon's notify socket on the host; absent: it has none. The app's handle makes it. */
  readonly notify?: string;
  /** The number of the descriptor that it writes a newline to when it is ready; absent: it gets none. */
  readonly readyDescriptor?: number;
  readonly identity: Identity;
  readonly process: ProcessPlan;
  readonly limits: CgroupLimits;
  readonly bestEffort: boolean;
}

export type NetworkPlan =
  | OwnNetwork
  /** The host's own: no network namespace, no firewall, not isolated. */
  | { readonly mode: 'host' }
  | { readonly mode: 'none' };

/** Where the app may connect to; everything else is refused. */
export interface FirewallPlan {
  /** `reject` tells the app at once, `drop` nothing. */
  readonly policy: 'reject' | 'drop';
  readonly accept: readonly FirewallEntry[];
  /** Addresses of the resolvers in the sandbox's resolv.conf, to be reached at port 53. */
  readonly resolvers: readonly string[];
  /** Milliseconds between two resolutions of the names. */
  readonly resolveInterval: number;
}

/** One line of `[firewall.out.accept]`. */
export interface FirewallEntry {
  readonly label: string;
  /** As configured. */
  readonly text: string;
  /** The host name that `networks` are the addresses of. */
  readonly name?: string;
  /** Addresses and networks, v4 and v6; none for a name that does not resolve. */
  readonly networks: readonly string[];
  /** Why the name did not resolve (an error name of getaddrinfo), at the last attempt. */
  readonly problem?: string;
  /** First and last; absent: all. */
  readonly ports?: readonly [number, number];
  /** Absent: all. */
  readonly protocol?: 'tcp' | 'udp' | 'icmp';
}

/** A network namespace with a link and addresses. */
export interface OwnNetwork {
  /** How IPv4 gets out: with the app's address, or masqueraded. IPv6 is always routed. */
  readonly mode: 'routed' | 'nat';
  readonly netns: string;
  readonly hostLink: string;
  readonly address: string;
  readonly address6?: string;
  readonly alias: string;
  /** Ports of the host that lead to the app; absent: none. */
  readonly publish?: readonly PublishedPort[];
}

/** The sandbox's file system. Steps run in order; targets are paths as seen inside. */
export interface RootPlan {
  readonly steps: readonly MountStep[];
  /** How many of the steps, from the first on, are the same for every app of this node: they hold nothing of this app. */
  readonly common: number;
  /** Paths covered at the end (file: /dev/null; directory: empty read-only tmpfs); skipped where absent. */
  readonly masked: readonly string[];
  /** Paths bound over themselves read-only at the end; skipped where absent. */
  readonly readOnly: readonly string[];
  /** Host mounts that are not there inside: `plan` lists them, and an ENOENT below one says so. */
  readonly leftOut: readonly { readonly path: string; readonly fsType: string; readonly source: string }[];
}

/** Mount attributes; each of them false means "may". */
export interface MountFlags {
  readonly readOnly?: boolean;
  readonly noSuid?: boolean;
  readonly noDev?: boolean;
  readonly noExec?: boolean;
}

/**
 * One step of building the root. `bind` sources are host paths, opened before the pivot; targets are resolved inside
 * the new root following no symlink (the plan holds real paths: a directory that the app can write, such as /tmp, must
 * not steer a mount) and must exist, except those of `mkdir`, `file`, `symlink` and `device`.
 * `shared: true` steps depend on nothing of one launch and may live in a template mount namespace.
 */
export type MountStep =
  | ({
      readonly op: 'bind';
      readonly source: string;
      readonly target: string;
      /** `inside`: the source is a path in the new root that an earlier step made (a generated file), not a host path. */
      readonly from?: 'host' | 'inside';
      readonly recursive: boolean;
      /** Ids on disk are shown as `userNamespace` maps them. Host binds only. */
      readonly idmapped?: boolean;
      readonly shared: boolean;
    } & MountFlags)
  | ({
      readonly op: 'tmpfs';
      readonly target: string;
      readonly size: number;
      readonly inodes?: number;
      readonly mode: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly shared: boolean;
    } & MountFlags)
  | ({ readonly op: 'remount'; readonly target: string; readonly shared: boolean } & MountFlags)
  | { readonly op: 'proc'; readonly target: string; readonly shared: false }
  | { readonly op: 'sysfs'; readonly target: string; readonly shared: boolean }
  | {
      readonly op: 'devpts';
      readonly target: string;
      /** Of terminals, as the host sees it; 5 unless told. */
      readonly gid?: number;
      readonly shared: false;
    }
  | { readonly op: 'mqueue'; readonly target: string; readonly shared: false }
  /** The daemon's own cgroup, read-only, seen from its new cgroup namespace: one step per v1 controller, or one for v2. */
  | {
      readonly op: 'cgroup';
      readonly target: string;
      readonly version: 1 | 2;
      readonly controllers: string;
      readonly shared: false;
    }
  | { readonly op: 'overlay'; readonly target: string; readonly lower: readonly string[]; readonly shared: boolean }
  | {
      readonly op: 'mkdir';
      readonly target: string;
      readonly mode: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly shared: boolean;
    }
  | {
      readonly op: 'file';
      readonly target: string;
      readonly mode: number;
      readonly content: string;
      readonly shared: boolean;
    }
  | { readonly op: 'symlink'; readonly target: string; readonly to: string; readonly shared: boolean }
  | {
      readonly op: 'device';
      readonly target: string;
      readonly major: number;
      readonly minor: number;
      readonly mode: number;
      readonly shared: boolean;
    };

/** `count` ids from `from` on stand for as many from `to` on. */
export interface IdRange {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** The app's user namespace: 0 to 65535 inside are `first` to `first` + 65535 on the host. */
export interface UserNamespacePlan {
  readonly first: number;
  /**
   * From ids on disk to ids on the host, in directories that are mounted idmapped: what belongs to a user of the app on
   * disk belongs to it inside. Everybody else of the namespace, root above all, is on disk an id of the block too.
   */
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** Whose the state directory is on disk when it is made: the first daemon's. */
  readonly stateOwner: { readonly uid: number; readonly gid: number };
}

/** Who a process is; with a user namespace, in its ids. */
export interface Identity {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, numeric. */
  readonly groups: readonly number[];
  /** Capability names without CAP_, kept as ambient, permitted, effective and bounding; usually empty. */
  readonly capabilities: readonly string[];
}

export interface ProcessPlan {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly umask: number;
  readonly nice: number;
  readonly oomScoreAdj: number;
  /** RLIMIT names in lower case (`nofile`) to [soft, hard]; Infinity is RLIM_INFINITY. All 16 are set. */
  readonly rlimits: Readonly<Record<string, readonly [number, number]>>;
  /** `default`: the allowlist of `seccomp/`; `none`. */
  readonly seccomp: 'default' | 'none';
  /** System calls that the filter allows beside its own, if any. */
  readonly allowSyscalls?: readonly string[];
  /** The kernel's log tells of calls that the filter refuses, not only of those that it kills for. */
  readonly logSyscalls?: true;
  /** The compiled filter: struct sock_filter[] as bytes, host byte order; empty for `none`. Printed as a summary only. */
  readonly seccompProgram: Uint8Array;
  /** cwd, argv[0] and so on are resolved inside. */
  readonly noNewPrivs: true;
}

/** Limits as configured; undefined is "not limited". Bytes, microseconds per period, counts. */
export interface CgroupLimits {
  readonly memoryMax?: number;
  readonly memoryHigh?: number;
  readonly memorySwapMax?: number;
  /** 1.0 = one whole CPU. */
  readonly cpuQuota?: number;
  /** systemd's scale, 1–10000, 100 is the default. */
  readonly cpuWeight?: number;
  readonly tasksMax?: number;
  /** 1–10000, 100 is the default. */
  readonly ioWeight?: number;
}
