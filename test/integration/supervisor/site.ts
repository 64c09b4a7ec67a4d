import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { type Outcome, type RunOptions, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

/** A scratch root with apps that a supervisor in the background keeps. */
export interface Site {
  readonly scratch: Scratch;
  readonly root: string;
  /** Writes an app's node file: sections of daemons, and `[sandbox.net] mode = none`. */
  app(name: string, daemons: Readonly<Record<string, string>>, more?: string): void;
  metactl(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  status(...args: string[]): Promise<StatusRecord[]>;
  /** Pid of the supervisor in the background. */
  supervisor(): Promise<number>;
  /** Stops all; SIGKILL for a supervisor that does not obey. Then takes everything away. */
  remove(): Promise<void>;
}

export function makeSite(): Site {
  const scratch = makeScratch();
  const { root } = scratch;
  const metactl: Site['metactl'] = (args, options = {}) => runMetactl(args, { root, ...options });
  const pids = new Set<number>();
  const site: Site = {
    scratch,
    root,
    app(name, daemons, more = '') {
      const directory = scratch.appDirectory(name, {});
      const sections = Object.entries(daemons).map(([daemon, text]) => `[daemon.${daemon}]\n${text}\n`);
      scratch.node(name, `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n${sections.join('')}${more}\n`);
    },
    metactl,
    async status(...args) {
      const { stdout, stderr } = await metactl(['status', '--json', ...args]);
      expect(stderr).toBe('');
      return JSON.parse(stdout);
    },
    async supervisor() {
      const records = await site.status();
      const pid = records.find(({ supervisor }) => supervisor?.kind === 'standalone')?.supervisor?.pid;
      expect(pid).toBeDefined();
      pids.add(pid!);
      return pid!;
    },
    async remove() {
      for (const { supervisor } of await site.status()) {
        if (supervisor?.kind === 'standalone') pids.add(supervisor.pid);
      }
      await metactl(['stop', 'all']);
      for (const pid of pids) await gone(pid).catch(() => process.kill(pid, 'SIGKILL'));
      await metactl(['gc']);
      scratch.remove();
    },
  };
  return site;
}

/** Resolves when there is no such process, or it is a zombie. */
export async function gone(pid: number, timeout = 10_000): Promise<void> {
  for (const end = performance.now() + timeout; ; await sleep(5)) {
    if (!isRunning(pid)) return;
    if (performance.now() > end) throw new Error(`${pid} still runs after ${timeout} ms`);
  }
}

export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^\d+ \(.*\) [ZX]/s.test(stat);
  } catch {
    return false;
  }
}

/** Pids of living processes whose command line has this text. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').includes(text) && isRunning(pid);
      } catch {
        return false;
      }
    });
}
