/** One process of a daemon, as the host sees it. */
export interface ProcessInfo {
  readonly app: string;
  readonly daemon: string;
  /** On the host. */
  readonly pid: number;
  /** In its innermost PID namespace; undefined where it has none of its own. */
  readonly insidePid: number | undefined;
  /** `routed`, `nat`, `none`; `host`: it is in the host's network, not isolated. Undefined where that isn't known. */
  readonly network?: string;
  readonly uid: number;
  /** In its user namespace; undefined where it has none of its own. */
  readonly insideUid: number | undefined;
  /** Its name in the host's /etc/passwd, else the number. */
  readonly user: string;
  /** One letter of proc_pid_stat(5): R, S, D, Z … */
  readonly state: string;
  /** Bytes. */
  readonly rss: number;
  /** User and system time, microseconds (the kernel tells hundredths of a second). */
  readonly cpuTime: number;
  /** CPU time by time since its start: 1.0 is one whole CPU all the time. */
  readonly cpu: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Its arguments, escaped and cut, joined by spaces; `[name]` for a process without any (a zombie). Secrets are hidden. */
  readonly command: string;
  /** The same with the secrets in it, which `command` hides. */
  readonly revealedCommand: string;
}
