import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { type Outcome, REPOSITORY, type RunOptions, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

/** A scratch root with apps that a supervisor in the background keeps. */
export interface Site {
  readonly scratch: Scratch;
  readonly root: string;
  /** Writes an app's node file: sections of daemons, and `[sandbox.net] mode = none`. */
  app(name: string, daemons: Readonly<Record<string, string>>, more?: string): void;
  /** The command line of `test/fixtures/programs/notify.py`, which does what these words say. */
  notifier(name: string, words: string): string;
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
    notifier(name, words) {
      const directory = scratch.appDirectory(name, {});
      copyFileSync(join(REPOSITORY, 'test/fixtures/programs/notify.py'), join(directory, 'notify.py'));
      return `/usr/bin/python3 ${directory}/notify.py ${words}`;
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

/** Copies what is installed of metactl to a directory below the site's root. @returns its program. */
export function install(site: Site, name: string): string {
  const installed = join(site.root, name);
  for (const part of [
    'bin',
    'dist',
    'build/Release/metactl.node',
    'build/Release/metactl-init',
    'package.json',
    'node_modules/netlink',
  ]) {
    cpSync(join(REPOSITORY, part), join(installed, part), { recursive: true });
  }
  return join(installed, 'bin/metactl.cjs');
}

/** Runs an installed copy's command line. @returns its exit status, and what it printed. */
export function runInstalled(site: Site, program: string, ...args: string[]): Promise<[number | undefined, string]> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, '--root', site.root, ...args], (error, stdout, stderr) => {
      resolve([error === null ? 0 : (error.code as number | undefined), stdout + stderr]);
    });
  });
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
