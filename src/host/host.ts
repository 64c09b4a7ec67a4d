import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { NodeConfig } from '../config/types.ts';
import type { CgroupLimits, FirewallPlan, Identity, NetworkPlan, ProcessPlan, SandboxPlan } from '../sandbox/plan.ts';
import type { Paths } from '../util/paths.ts';
import type { Anticipation } from './anticipation.ts';
import type { FilteredCall, FilteredCallQuery } from './filtered-call.ts';
import type { Finding } from './finding.ts';
import type { FirewallHost } from './firewall-state.ts';
import type { GcItem } from './gc-item.ts';
import type { Handed, HandoverHost } from './handover.ts';
import type { LogHost } from './log-host.ts';
import type { NetworkTrouble } from './network-trouble.ts';
import type { NotifyAccess, NotifySocket } from './notify.ts';
import type { ProcessInfo } from './process-info.ts';
import type { Published } from './published.ts';
import type { PurgeItem } from './purge-item.ts';
import type { SupervisorHost } from './supervisor-host.ts';
import type { Terminal, TerminalSize } from './terminal.ts';

/** The part of a host that tells where apps are. */
export interface Addresses {
  /** Where the app is reached, as it was started last; takes no lease. */
  addressOf(paths: Paths, app: string): AppAddress;
}

/** The operating-system backend. One implementation per folder below; `index.ts` is the only place that picks one. */
export interface Host extends SupervisorHost, Addresses, FirewallHost {
  readonly name: 'linux' | 'solaris';
  /** @throws MetactlError METACTL_NEEDS_ROOT (exit 77) unless the process runs as root. */
  requireRoot(): void;
  /** What `sandbox/build` must know about this machine. Read once per command. */
  facts(): HostFacts;
  /** Begins, beside the caller, what the first start of this process would wait for. */
  expectStart(): void;
  /**
   * Looks whether this machine can enforce a plan, before anything is made for it.
   * @returns warnings, where `[sandbox] best-effort` allows less. @throws MetactlError (78) for a limit that can't be enforced.
   */
  check(plan: SandboxPlan, facts: HostFacts): readonly string[];
  /** Log files, and the sockets of the system's log daemons. */
  readonly logs: LogHost;
  /** The name of the host end of an app's network link. Pure. */
  linkName(paths: Paths, app: string): string;
  /** Takes (or finds) the app's leases; `take: false` only tells what it would get. */
  lease(paths: Paths, node: NodeConfig, request: LeaseRequest): Promise<Lease>;
  /** The leased user, and the first id of the app's user namespace, as it was started last; takes no lease. */
  leasedIds(paths: Paths, app: string): Pick<Lease, 'ids'> & { readonly uid?: number };
  /** The sysctls of the host that a start would change for this network, in order; those of the app's own link are not among them. */
  networkChanges(paths: Paths, node: NodeConfig, network: NetworkPlan): readonly SysctlChange[];
  /**
   * Makes what the app's daemons share (network namespace, veth pair, /tmp) unless it is there, under the app's lock, and holds it
   * until `close`. Removes first what a killed predecessor of this daemon left.
   */
  openApp(request: AppRequest): Promise<AppHandle>;
  /** Looks up a running daemon; undefined where none runs. Its identity is verified behind an open pidfd. */
  findRunning(paths: Paths, app: string, daemon?: string): Promise<RunningDaemon | undefined>;
  /** Every process in the cgroups of this root's daemons, or only of one app or daemon, by app, daemon and pid. */
  listProcesses(paths: Paths, app?: string, daemon?: string): readonly ProcessInfo[];
  /**
   * Removes what killed supervisors of this root left behind; with `dryRun` only tells. An app with living daemons loses
   * only what its dead ones left. @throws MetactlError for what can't be removed, after the rest was.
   */
  collectGarbage(paths: Paths, options: { readonly dryRun: boolean; readonly app?: string }): Promise<GcItem[]>;
  /** What there is of an app beside its configuration: files, logs, leases. */
  belongings(paths: Paths, app: string): readonly PurgeItem[];
  /**
   * Removes all of that. Others than root may own and change it meanwhile: no link is followed.
   * @throws MetactlError METACTL_RUNNING while a daemon of the app lives, METACTL_MOUNTED: both before anything is removed.
   */
  purge(paths: Paths, app: string): Promise<void>;
  /**
   * Looks at everything of this machine that metactl depends on, by really trying it, and leaves no trace (`doctor`).
   */
  examine(paths: Paths, node: NodeConfig, published: Published): Promise<readonly Finding[]>;
  /**
   * What system call filters did to a user's processes, oldest first, as far as the kernel still tells.
   * @param patience milliseconds to wait for a first record.
   */
  filteredCalls(query: FilteredCallQuery, patience?: number): Promise<readonly FilteredCall[]>;
  /** What on this machine is in the way of a running app's network; none where it has none. */
  networkTroubles(paths: Paths, node: NodeConfig, app: string): Promise<readonly NetworkTrouble[]>;
  /** User of the process at the other end of a connected unix socket, as the kernel noted it when it connected. */
  peerUid(fd: number): number;
  /**
   * Loads everything that a supervisor may ever need, so that what is installed can be replaced or removed under it.
   * Not what `collectGarbage` needs, which is a megabyte and a half: no supervisor calls it.
   */
  preload(): Promise<void>;
  /**
   * Gives back what this process needed for a start and not for waiting: `garbage`, with unused parts of the heaps, in some 20 ms;
   * `all`, also the compiled code of functions, which are compiled again where they are called, and unused stacks.
   */
  releaseMemory(what: 'garbage' | 'all'): void;
  /** From now on this process gets no huge pages, which are mostly empty where it sleeps; daemons get them as ever. */
  refuseHugePages(): void;
  /** An app's handle as the process before handed it over. The request is the one that it was opened by. */
  takeOverApp(request: AppRequest, handed: Handed): Promise<AppHandle>;
  readonly handover: HandoverHost;
  /** Closes what this process inherited besides stdin, stdout, stderr and `keep`. @returns how many there were. */
  closeInherited(keep: readonly number[]): number;
  /** A new pseudo-terminal: never the caller's own terminal goes into a sandbox (TIOCSTI, CVE-2017-5226). */
  openTerminal(size: TerminalSize): Promise<Terminal>;
}

export interface AppRequest {
  readonly paths: Paths;
  readonly node: NodeConfig;
  readonly app: string;
  readonly daemon: string;
  readonly network: NetworkPlan;
  readonly firewall?: FirewallPlan;
  /** Owner and mode of the state directory, if it has to be made. */
  readonly owner: { readonly uid: number; readonly gid: number; readonly mode?: number };
  /** Where its notify socket is to be; absent: it needs none. */
  readonly notify?: string;
  /** Who may write to it; absent: whoever reaches it. */
  readonly notifyAccess?: NotifyAccess;
  readonly stateDirectory: string;
  readonly logDirectory: string;
  /** First id of the app's block, if its daemons get a user namespace. */
  readonly ids?: number;
  /** Bytes of the app's shared /tmp; undefined for an app without a sandbox. */
  readonly temporarySize: number | undefined;
  /** What the daemon's cgroup is made with by `openApp`; absent: it is made by the first `start`. */
  readonly limits?: Pick<SandboxPlan, 'limits' | 'bestEffort'>;
  /** Told, while the handle is held, what the administrator should know: another machine uses the app's address. */
  readonly onWarning?: (text: string) => void;
}

/** A daemon that runs now. `close` lets go of its descriptor. */
export interface RunningDaemon {
  readonly app: string;
  readonly daemon: string;
  readonly pid: number;
  readonly address: string | undefined;
  /** All addresses of its network, without the loopback device's; none where it shares the host's. */
  readonly addresses: readonly string[];
  /** As it was started: the configuration may be another by now, or broken. */
  readonly process: ProcessPlan;
  readonly identity: Identity;
  /** A new pseudo-terminal of the sandbox's own, so that `tty` and those who ask by name find it there. */
  openTerminal(size: TerminalSize): Terminal;
  /** Begins to connect from its network to an address in there. Errors come from the socket. @throws MetactlError where it is gone. */
  connect(address: string, port: number): Socket;
  /** Runs another process in its sandbox: same namespaces, cgroup, credentials and filters. */
  join(process: ProcessPlan, identity: Identity, io: StdioPlan): Sandbox;
  /**
   * The same for a program of the supervisor's: with its end, SIGKILL goes to whatever it has left running, as far as the daemon has
   * a cgroup.
   */
  probe(process: ProcessPlan, identity: Identity, io: StdioPlan): Sandbox;
  /**
   * Becomes a program of the host's, as root and with everything of the host's but the network, which is the app's.
   * @throws MetactlError where that can't be; else it doesn't return.
   */
  becomeInNetwork(file: string, argv: readonly string[], env: Readonly<Record<string, string | undefined>>): never;
  close(): void;
}

export interface LeaseRequest {
  readonly app: string;
  readonly take: boolean;
  /** `[sandbox.net] ip`, what is set of it. */
  readonly address?: string;
  readonly address6?: string;
  readonly wantAddress: boolean;
  /** The IPv4 address is for `nat`, not one of the pool. */
  readonly nat?: boolean;
  readonly wantAddress6?: boolean;
  readonly wantUid: boolean;
  /** A block of ids for a user namespace. */
  readonly wantIds?: boolean;
  /** Remembered with the leases: the app has no address of its own. */
  readonly network?: 'host' | 'none';
}

export interface Lease {
  /** Undefined where none was wanted. */
  readonly address: string | undefined;
  readonly address6?: string;
  readonly uid: number | undefined;
  /** First of the app's 65,536 ids for a user namespace; absent where none were wanted. */
  readonly ids?: number;
}

export interface AppAddress {
  /** IPv4. */
  readonly address: string | undefined;
  readonly address6: string | undefined;
  /** `host`: these are the host's. `none`: there are none. Undefined: its own, or not known yet. */
  readonly network: 'host' | 'none' | undefined;
}

export interface SysctlChange {
  /** The path below /proc/sys. */
  readonly key: string;
  readonly from: string;
  readonly to: string;
}

/** What a daemon uses now. */
export interface Usage {
  /** Bytes, page cache included. */
  readonly memory: number;
  /** CPU time since its cgroup was made, microseconds. */
  readonly cpuUsec: number;
  /** Processes and threads. */
  readonly tasks: number;
  /** Where its processes listen: `tcp 0.0.0.0:8080`, without doubles. */
  readonly listens: readonly string[];
  /** There may be more of them: it has more descriptors or processes than are looked at. */
  readonly listensCut: boolean;
}

/** One daemon's hold on its app's shared objects. */
export interface AppHandle {
  /** Made with the handle where the request names a path; goes with it. */
  readonly notify: NotifySocket | undefined;
  /** Makes the daemon's cgroup and starts it. One running sandbox at a time per handle: the next one when the last is `over`. */
  start(plan: SandboxPlan, io: StdioPlan): Promise<DaemonSandbox>;
  /** Puts what the firewall's names stand for now in force. @returns false where its rules had gone and were put back. */
  renewFirewall(plan: FirewallPlan): Promise<boolean>;
  /** Puts the firewall's rules back, if somebody took them away. @returns false where that was so. */
  keepFirewall(): Promise<boolean>;
  /** The sandbox that ran in it when it was handed over; undefined where none did. Once, before any `start`. */
  takeUp(plan: SandboxPlan, io: StdioPlan): DaemonSandbox | undefined;
  /** For the process that takes this one's place. Undefined while a sandbox is being made or is ending: a moment later it can be. */
  handOver(): Handed | undefined;
  /**
   * For `usage`, which tells what was found: some milliseconds at a time, between which whatever waits has its turn. What was
   * looked at a moment ago is not looked at again.
   */
  lookWhereItListens(): Promise<void>;
  /**
   * Makes the daemon's lock and live state anew where somebody has removed them: whoever finds none takes what runs for left behind.
   * @throws MetactlError METACTL_HANDOVER where the lock is another supervisor's by now; errno names.
   */
  stayFound(): void;
  /** Undefined while it has no cgroup. */
  usage(): Usage | undefined;
  /** Microseconds of CPU time that its cgroup has used, earlier runs included; 0 where nothing counts. */
  cpuUsec(): number;
  /** Removes the daemon's own objects; the app's too if no daemon of the app is left. */
  close(): Promise<void>;
}

/**
 * `pipe`: the supervisor reads it as a stream; a receiver: it is handed the bytes; `null`: /dev/null; a number: that
 * descriptor is handed over.
 */
export interface StdioPlan {
  readonly stdin: 'null' | number;
  readonly stdout: 'pipe' | OutputReceiver | number;
  readonly stderr: 'pipe' | OutputReceiver | number;
}

/** Takes output without a buffer of its own being made for each piece of it, as a stream's `data` would have. */
export interface OutputReceiver {
  /**
   * The bytes are there only during the call. @returns false to be given no more until `resume` of the sandbox's stream,
   * whose `close` event follows the end.
   */
  receive(bytes: Buffer): boolean;
  /** All has been received, before the stream's `close`. */
  end(): void;
}

/** A daemon's output. Where a receiver takes it, an event `bytes` in the place of `data` is for those who only look on. */
export type OutputStream = Readable & { readonly received?: true };

export interface Sandbox {
  /** Host pid of the sandbox's PID 1 (of the process itself where not sandboxed). */
  readonly pid: number;
  readonly stdout: OutputStream | undefined;
  readonly stderr: OutputStream | undefined;
  /** Other end of the descriptor that the plan gives it to tell that it is ready; somebody must read it. */
  readonly ready?: Readable;
  /** Resolves when the daemon's first instruction is about to run; rejects with the failed step, path and errno. */
  readonly started: Promise<void>;
  /** Resolves when everything in the sandbox is gone; never rejects. */
  readonly ended: Promise<Ending>;
  /** Forwarded by PID 1 to the daemon. */
  signal(signal: number): void;
  /** SIGKILL to everything in it. */
  kill(): void;
}

/** The sandbox of a daemon that may be started again. */
export interface DaemonSandbox extends Sandbox {
  /** See Anticipation. Undefined: nothing may begin by itself. */
  anticipate?(what: Anticipation | undefined): void;
  /**
   * Resolves when the daemon has ended and nothing that it started is left; never rejects. Comes before `ended`: the kernel
   * may still be taking the empty sandbox down.
   */
  readonly over: Promise<Ending>;
}

export interface Ending {
  /** Exit status, or undefined if it died of a signal or the sandbox itself died. */
  readonly code: number | undefined;
  readonly signal: number | undefined;
  readonly coreDumped: boolean;
  /** The kernel killed it (or something in its cgroup) for memory. */
  readonly oomKilled: boolean;
  /** No record came from PID 1: the sandbox itself was killed. */
  readonly sandboxDied: boolean;
  /** Microseconds and kilobytes, from rusage. */
  readonly userTime: number;
  readonly systemTime: number;
  readonly maxRss: number;
}

/** One line of /proc/self/mountinfo that matters to the plan. */
export interface HostMount {
  readonly path: string;
  readonly fsType: string;
  readonly source: string;
  /** The mounted directory within its file system (`/` unless a bind mount). */
  readonly root: string;
}

/** The state of one path that the sandbox covers with a generated file. */
export type PathState = 'file' | 'directory' | 'symlink' | 'other' | 'absent';

export interface HostFacts {
  readonly arch: 'x64' | 'arm64' | string;
  readonly mounts: readonly HostMount[];
  /** lstat of the paths that the root plan may have to cover; `realPaths` where it is a symlink. */
  state(path: string): PathState;
  realPath(path: string): string | undefined;
  /** Whether root alone decides what a path leads to: nobody else may change a name or a symbolic link on its way. */
  decidedByRoot(path: string): boolean;
  /**
   * Whether somebody without capabilities may reach what is in a directory, by its owner, group and mode. Access lists are
   * not looked at. False where it is not there.
   */
  mayEnter(
    directory: string,
    user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] },
  ): boolean;
  /** Names in a directory, in any order; undefined where there are more than `most`, or it can't be listed. */
  entries(path: string, most: number): readonly string[] | undefined;
  /** Uid of the owner of what is at a real path; undefined where nothing is. */
  owner(path: string): number | undefined;
  /** Whether this kernel can mount a directory with ids of its own (Linux 5.12). Asked only where it matters. */
  idmappedMounts(): boolean;
  /** Contents of small host files used to make generated ones (`/etc/resolv.conf`, `/etc/nsswitch.conf`); '' if absent. */
  read(path: string): string;
  readonly cgroup: CgroupFacts;
  /** Limits of this process as [soft, hard] by lower-case name. */
  readonly rlimits: Readonly<Record<string, readonly [number, number]>>;
  /** Who metactl itself runs as. */
  readonly self: {
    readonly name: string;
    readonly uid: number;
    readonly gid: number;
    readonly groups: readonly number[];
  };
  /** NSS look-ups (getent): undefined if there is no such name. */
  user(name: string): { readonly name: string; readonly uid: number; readonly gid: number } | undefined;
  group(name: string): { readonly gid: number } | undefined;
}

/** Which version carries which controller here (DESIGN §5 cgroups: detected per controller). */
export interface CgroupFacts {
  /** Absent: not available at all. */
  readonly controllers: Readonly<
    Partial<Record<'memory' | 'cpu' | 'cpuacct' | 'cpuset' | 'pids' | 'io' | 'blkio' | 'freezer', CgroupController>>
  >;
  /** Mount point of the v2 tree (pure v2 or hybrid's `unified`), if any. */
  readonly unified: string | undefined;
  /** `memory.memsw.*` or `memory.swap.max` is there. */
  readonly swapAccounting: boolean;
  /** `blkio.bfq.weight` (v1) or `io.bfq.weight`/`io.weight` (v2) is there, and a block device obeys it. */
  readonly ioWeight: boolean;
  /** Which of them; absent without `ioWeight`. */
  readonly ioWeightFile?: 'blkio.bfq.weight' | 'io.bfq.weight' | 'io.weight';
  /** This process's own cgroup in the v2 tree, relative to `unified` (`/` or `/system.slice/…`). */
  readonly own?: string;
  /** False: this process may not make cgroups (it isn't root); then no limit can be enforced. */
  readonly permitted?: boolean;
}

export interface CgroupController {
  readonly version: 1 | 2;
  /** The hierarchy's mount point, e.g. `/sys/fs/cgroup/memory`. */
  readonly mount: string;
  /** Controllers mounted together with it, as the mount option names them (`cpu,cpuacct`). */
  readonly mountedWith: string;
}

export type { CgroupLimits };
