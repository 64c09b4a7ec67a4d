/** What a service manager tells a service by its environment (sd_notify(3), sd_watchdog_enabled(3), systemd.exec(5)). */
export interface ServiceEnvironment {
  /** The path of a socket, or `@name` of an abstract one. */
  readonly notifySocket: string | undefined;
  /** It wants a sign of life at least this often; ms. */
  readonly watchdog: number | undefined;
  /** Output goes to the journal as it is. */
  readonly journal: boolean;
}

/** Nobody that this process starts may take them for its own. */
const OURS = [
  'NOTIFY_SOCKET',
  'WATCHDOG_USEC',
  'WATCHDOG_PID',
  'JOURNAL_STREAM',
  'LISTEN_PID',
  'LISTEN_FDS',
  'LISTEN_FDNAMES',
];

/** Device and inode of an open file. */
export interface FileId {
  readonly dev: number | bigint;
  readonly ino: number | bigint;
}

/**
 * Reads them and takes them out of the environment. Pure, but for that.
 * @param outputs standard output and standard error.
 */
export function takeServiceEnvironment(
  env: Record<string, string | undefined>,
  pid: number,
  outputs: readonly FileId[],
): ServiceEnvironment {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, JOURNAL_STREAM } = env;
  for (const name of OURS) delete env[name];
  const forUs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid);
  const microseconds = /^\d{1,16}$/.test(WATCHDOG_USEC ?? '') ? Number(WATCHDOG_USEC) : 0;
  return {
    // AF_VSOCK (`vsock:…`) is for machines that tell their host.
    notifySocket: /^[/@]./.test(NOTIFY_SOCKET ?? '') ? NOTIFY_SOCKET : undefined,
    watchdog: forUs && microseconds > 0 ? microseconds / 1000 : undefined,
    journal: outputs.every(({ dev, ino }) => JOURNAL_STREAM === `${dev}:${ino}`),
  };
}
