import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/**
 * Pid of a process that holds a flock(2) on a file that was at `path` and has been removed, alone or with its directory: nobody
 * else can find that lock any more, so whoever makes the file anew looks here. Undefined: there is none, or this is not root.
 * The file must be ours, and nobody else's to open: in a mount namespace of their own, users can give one any name.
 */
export function holderOfRemoved(path: string): number | undefined {
  return flockHolders(locksText()).find((pid) => hasOpen(pid, `${path} (deleted)`));
}

function isOurs(file: string): boolean {
  const { mode, uid } = statSync(file);
  return uid === process.geteuid?.() && (mode & 0o077) === 0;
}

/** Pids in /proc/locks (proc_locks(5)), each once: `1: FLOCK  ADVISORY  WRITE 123 00:2a:17 0 EOF`. Pure. */
export function flockHolders(locks: string): readonly number[] {
  const pids = [...locks.matchAll(/^\d+: FLOCK +ADVISORY +WRITE +(\d+) /gm)].map(([, pid]) => Number(pid));
  // 0: of a process in another PID namespace.
  return [...new Set(pids)].filter((pid) => pid > 0);
}

function locksText(): string {
  try {
    return readFileSync('/proc/locks', 'utf8');
  } catch {
    return '';
  }
}

function hasOpen(pid: number, target: string): boolean {
  const directory = `/proc/${pid}/fd`;
  try {
    const files = readdirSync(directory).map((fd) => `${directory}/${fd}`);
    return files.some((file) => linkOf(file) === target && isOurs(file));
  } catch {
    // It has ended, or is another user's.
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
