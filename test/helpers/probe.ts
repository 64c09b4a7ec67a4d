/** What `probe report` prints (test/fixtures/probe). A part that could not be read is `{ error: errno name }`. */
export interface ProbeReport {
  /** Real, effective, saved. */
  readonly uid: readonly [number, number, number];
  readonly gid: readonly [number, number, number];
  readonly groups: readonly number[];
  readonly pid: number;
  readonly ppid: number;
  readonly sid: number;
  readonly pgid: number;
  /** /proc/self/status by key: CapInh, CapPrm, CapEff, CapBnd, CapAmb, NoNewPrivs, Seccomp, SigIgn, SigBlk … */
  readonly status: Readonly<Record<string, string>>;
  /** Target by descriptor number. */
  readonly descriptors: Readonly<Record<string, Text>>;
  /** [soft, hard] by lower-case name; -1 is unlimited. */
  readonly rlimits: Readonly<Record<string, readonly [number, number]>>;
  readonly umask: number;
  readonly nice: number;
  readonly dumpable: number;
  readonly securebits: number;
  readonly parentDeathSignal: number;
  readonly oomScoreAdj: Text;
  readonly environment: Readonly<Record<string, string>>;
  /** By the raw system call: `(unreachable)…` would show. */
  readonly cwd: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly namespaces: Readonly<Record<string, Text>>;
  /** `keyring;uid;gid;perm;name`, or an errno name. */
  readonly sessionKeyring: string;
  /** Its serial number; negative without one. */
  readonly sessionKeyringId: number;
  readonly procKeys: Text;
  /** All that /proc shows; uid is the owner of /proc/PID. */
  readonly processes: readonly { readonly pid: number; readonly uid: number; readonly comm: string }[];
  /** PID 1 of the sandbox, as far as the probe may look. */
  readonly init: {
    readonly status: Readonly<Record<string, string>>;
    readonly descriptors: Readonly<Record<string, Text>>;
    readonly exe: Text;
    readonly root: Text;
    readonly cmdline: Text;
    readonly environ: Text;
    readonly maps: Text;
  };
  readonly mounts: readonly ProbeMount[];
  /** `/` itself, one level. */
  readonly root: readonly ProbeEntry[];
  /** `/dev`, three levels. */
  readonly devices: readonly ProbeEntry[];
  /** Topmost writable paths below `/`, four levels deep, without /proc/PID. */
  readonly writable: readonly string[];
  /** /etc/passwd and the other generated files, and /proc/self/cgroup. */
  readonly files: Readonly<Record<string, Text>>;
  /** Files below /sys/fs/cgroup that are there: `memory/memory.limit_in_bytes` or `memory.max` … */
  readonly cgroup: Readonly<Record<string, string>>;
  readonly links: readonly string[];
  readonly addresses: readonly {
    readonly link: string;
    readonly family: 'inet' | 'inet6';
    readonly address: string;
    readonly prefix: number;
    readonly up: 0 | 1;
  }[];
  readonly routes: readonly {
    readonly link: string;
    readonly destination: string;
    readonly gateway: string;
    readonly prefix: number;
  }[];
  readonly routes6: Text;
  readonly unprivilegedPortStart: Text;
  /** `ok`, an errno name, or `killed by SIGSYS`. */
  readonly syscalls: Readonly<Record<string, string>>;
}

export type Text = string | { readonly error: string };

export interface ProbeMount {
  /** The mounted directory within its file system. */
  readonly root: string;
  readonly path: string;
  readonly options: string;
  readonly propagation: string;
  readonly fsType: string;
  readonly source: string;
  readonly superOptions: string;
}

export interface ProbeEntry {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';
  readonly mode: number;
  readonly uid: number;
  readonly major?: number;
  readonly minor?: number;
  /** What opening the device for reading and writing gave. */
  readonly open?: string;
  readonly target?: string;
}

/** What `probe attack NAME` prints: `result` and, for attacks in several ways, one errno name (or `ok`) each. */
export type AttackReport = Readonly<Record<string, unknown>> & { readonly attack: string; readonly result?: string };
