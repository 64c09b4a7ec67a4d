import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { REPOSITORY } from '../helpers/run-metactl.ts';
import type { Missing } from './rivals.ts';
import type { BenchSite } from './site.ts';
import { microseconds, now, type Summary, summarize } from './statistics.ts';

export interface RestartFigures {
  readonly results: readonly { readonly name: string; readonly first: Summary }[];
  readonly missing: readonly Missing[];
}

export const METACTL_RESTART = 'metactl run, sandboxed';

/** Milliseconds after which each of the supervisors takes a daemon for stable: runit waits below one second. */
const STABLE = 1100;
/** Nanoseconds that a supervisor may take until its daemon is there. */
const PATIENCE = 20_000_000_000n;

/**
 * From SIGKILL to a stable daemon to the first instruction of the next one, by `metactl run` and by others, in turns. All
 * run `first`, which prints the clock; the supervisors are processes of their own, as they are on a server.
 */
export async function measureRestarts(site: BenchSite, runs: number): Promise<RestartFigures> {
  const commands = await supervisors(site);
  const running: Supervised[] = [];
  const missing: Missing[] = [];
  try {
    for (const { name, command } of commands) {
      const one = new Supervised(name, command);
      running.push(one);
      try {
        await one.next(0n);
      } catch (error) {
        missing.push({ name, reason: (error as Error).message });
        running.pop();
        await one.end();
      }
    }
    const times = running.map((): number[] => []);
    for (let round = -1; round < runs; round++) {
      await sleep(STABLE);
      for (let i = 0; i < running.length; i++) {
        const index = (i + Math.max(round, 0)) % running.length;
        const killed = running[index]!.kill();
        const first = await running[index]!.next(killed);
        // The first round is not measured: no mounts are prepared yet.
        if (round >= 0) times[index]!.push(microseconds(killed, first));
      }
    }
    return { results: running.map(({ name }, index) => ({ name, first: summarize(times[index]!) })), missing };
  } finally {
    for (const one of running) await one.end();
  }
}

async function supervisors(site: BenchSite): Promise<readonly { name: string; command: readonly string[] }[]> {
  await site.app('back', 1, true, 'restart-reset-sec = 1s\n');
  const metactl = [process.execPath, join(REPOSITORY, 'bin/metactl.cjs'), '--root', site.root, 'run', 'back'];
  return [
    { name: METACTL_RESTART, command: metactl },
    { name: 'runit (runsv), no sandbox', command: ['runsv', serviceDirectory(site, 'runit')] },
  ];
}

/** What runsv runs. */
function serviceDirectory(site: BenchSite, name: string): string {
  const directory = join(site.root, `service-${name}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'run'), `#!/bin/sh\nexec ${site.program} hold\n`, { mode: 0o755 });
  return directory;
}

/** A supervisor that runs, and the clocks that its daemon prints. */
class Supervised {
  readonly name: string;
  readonly #child: ChildProcess;
  #output = '';
  #wake: () => void = () => {};
  #problem: string | undefined;

  constructor(name: string, command: readonly string[]) {
    this.name = name;
    const [file, ...args] = command;
    this.#child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout!.on('data', (data: Buffer) => {
      this.#output += data.toString();
      this.#wake();
    });
    this.#child.stderr!.resume();
    this.#child.on('error', (error) => {
      this.#problem = error.message;
      this.#wake();
    });
  }

  /** @returns the first clock that was printed after `since`. */
  async next(since: bigint): Promise<bigint> {
    const deadline = now() + PATIENCE;
    for (;;) {
      if (this.#problem !== undefined) throw new Error(this.#problem);
      const last = /(\d{9,})\n$/.exec(this.#output)?.[1];
      if (last !== undefined && BigInt(last) > since) return BigInt(last);
      if (now() > deadline) throw new Error('its daemon did not come');
      await Promise.race([
        new Promise<void>((resolve) => (this.#wake = resolve)),
        sleep(100, undefined, { ref: false }),
      ]);
    }
  }

  /** SIGKILL to the daemon. @returns when. */
  kill(): bigint {
    const daemon = descendants(this.#child.pid!).find((pid) => commOf(pid) === 'first')!;
    const at = now();
    process.kill(daemon, 'SIGKILL');
    return at;
  }

  async end(): Promise<void> {
    if (this.#child.pid === undefined || this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    // runsv ends its daemon then; killed, it would leave it alone.
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }
}

function commOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

function descendants(pid: number): number[] {
  let children: number[] = [];
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    // Gone.
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}
