import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interleave, spawnLauncher } from '../launcher.ts';
import type { Missing } from '../rivals.ts';
import type { BenchSite } from '../site.ts';
import { microseconds, now, percentile, type Summary, summarize } from '../statistics.ts';
import { clocks, daemonsOf, type Manager, memoryOf, until } from './manager.ts';
import { emptyDirectory, pm2, type RivalSite, runit, s6, supervisord } from './managers.ts';
import { metactl } from './own.ts';

/** One supervisor with a hundred daemons. */
export interface Supervision {
  readonly name: string;
  /** From the command to the last daemon's first instruction, in a live supervisor, µs. */
  readonly start: Summary;
  /** From the command until none is left. */
  readonly stop: Summary;
  /** From the request to the supervisor, without a command. */
  readonly requested: { readonly start: Summary; readonly stop: Summary } | undefined;
  /** From SIGKILL to a stable daemon to its successor's first instruction, all others running. */
  readonly restart: Summary;
  /** kB of the supervisor's processes, all running. */
  readonly rss: number;
  readonly pss: number;
  /** The largest metactl-init, kB PSS. */
  readonly initPss: number | undefined;
}

export interface SupervisionFigures {
  readonly count: number;
  readonly supervisors: readonly Supervision[];
  readonly missing: readonly Missing[];
  /** Of 25 daemons: the whole command, beside `node -e 0`. */
  readonly status: readonly { readonly name: string; readonly exit: Summary }[];
}

export const SANDBOXED = 'metactl, sandboxed';
export const PLAIN = 'metactl, enabled = no';
export const NODE = 'node -e 0';
const FEW = 25;
/** Milliseconds: all take a daemon that has run for a second for stable. */
const STABLE = 1500;
const PAUSE = 150;
/** So slow a restart need not be measured as often. µs */
const SLOW = 500_000;

/** Everybody in turn, alone on the machine, with the same static program. */
export async function measureSupervision(site: BenchSite, count: number, runs: number): Promise<SupervisionFigures> {
  const supervisors: Supervision[] = [];
  const missing: Missing[] = [];
  for (const make of all(site)) {
    const manager = make(count);
    try {
      supervisors.push(await measureOne(manager, Math.max(3, Math.ceil(runs / 40)), Math.ceil(runs / 5)));
    } catch (error) {
      missing.push({ name: manager.name, reason: (error as Error).message.replaceAll(/\s+/g, ' ').slice(0, 160) });
    } finally {
      await manager.end().catch(() => {});
    }
  }
  const running = new Set(supervisors.map(({ name }) => name));
  const status = await measureStatus(
    all(site)
      .map((make) => make(FEW))
      .filter(({ name }) => running.has(name) && name !== PLAIN),
    Math.ceil(runs / 10),
  );
  return { count, supervisors, missing, status };
}

type Make = (count: number) => Manager;

function all(site: BenchSite): readonly Make[] {
  const rival = (name: string, make: (site: RivalSite) => Manager) => (count: number) =>
    make({ directory: emptyDirectory(join(site.root, `rival-${name}`)), program: site.program, count });
  return [
    (count) => metactl(site, `many-${count}`, count, true),
    (count) => metactl(site, `plain-${count}`, count, false),
    rival('runit', runit),
    rival('s6', s6),
    rival('supervisord', supervisord),
    rival('pm2', pm2),
  ];
}

async function measureOne(manager: Manager, rounds: number, restarts: number): Promise<Supervision> {
  await manager.boot();
  const command = { start: [] as number[], stop: [] as number[] };
  const requested = { start: [] as number[], stop: [] as number[] };
  const memory: Pick<Supervision, 'rss' | 'pss' | 'initPss'>[] = [];
  const { request } = manager;
  let first: number[] = [];
  // The first round shows what the supervisor loads at its first start: it counts for memory, not for time.
  for (let round = 0; round <= rounds; round++) {
    const started = await timeStart(manager, () => manager.startAll());
    if (round === 0) {
      await sleep(STABLE);
      memory.push(memoryNow(manager));
      first = await timeRestarts(manager, restarts);
    }
    const stopped = await timeStop(manager, () => manager.stopAll());
    if (round > 0) {
      command.start.push(started);
      command.stop.push(stopped);
    }
    if (request === undefined || round === 0) continue;
    requested.start.push(await timeStart(manager, () => request('start')));
    requested.stop.push(await timeStop(manager, () => request('stop')));
  }
  return {
    name: manager.name,
    start: summarize(command.start),
    stop: summarize(command.stop),
    requested:
      request === undefined ? undefined : { start: summarize(requested.start), stop: summarize(requested.stop) },
    restart: summarize(first),
    ...memory[0]!,
  };
}

async function timeStart(manager: Manager, start: () => Promise<void>): Promise<number> {
  const { count } = manager;
  const called = now();
  const done = start();
  const printed = await Promise.all([
    done,
    until(
      `${manager.name} starts them all`,
      () => {
        const found = clocks(manager.output()).filter((clock) => clock > called);
        return found.length >= count ? found : undefined;
      },
      50,
    ),
  ]).then(([, found]) => found);
  return Math.max(...printed.map((clock) => microseconds(called, clock)));
}

async function timeStop(manager: Manager, stop: () => Promise<void>): Promise<number> {
  const pids = daemonsOf(manager.pids());
  if (pids.length < manager.count) throw new Error(`${manager.name} has only ${pids.length} daemons`);
  await sleep(300);
  const called = now();
  const looked = until(`${manager.name} stops them all`, () => (pids.some(isThere) ? undefined : now()), 1);
  // A command that fails is told at once, and ends only this supervisor's measurement.
  const [gone] = await Promise.all([looked, stop()]);
  await sleep(300);
  return microseconds(called, gone);
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function timeRestarts(manager: Manager, count: number): Promise<number[]> {
  const times: number[] = [];
  const pids = daemonsOf(manager.pids()).slice(0, count);
  for (const pid of pids) {
    await sleep(PAUSE);
    const killed = now();
    process.kill(pid, 'SIGKILL');
    // Reading a hundred logs at once would hold the CPU on which the daemon is to die, for longer than a restart takes.
    await sleep(25);
    const first = await until(
      `${manager.name} restarts one`,
      () => clocks(manager.output()).find((clock) => clock > killed),
      25,
    );
    times.push(microseconds(killed, first));
    if (times.length >= 5 && percentile(times, 0.5) > SLOW) break;
  }
  return times;
}

function memoryNow(manager: Manager): Pick<Supervision, 'rss' | 'pss' | 'initPss'> {
  const pids = manager.pids();
  const sum = (kind: 'Rss' | 'Pss') => pids.reduce((total, pid) => total + memoryOf(pid, kind), 0);
  // Each thread has children of its own: metactl launches from another one than its first.
  const inits = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
    ),
  );
  const own = manager.request === undefined ? undefined : Math.max(...inits.map((pid) => memoryOf(pid, 'Pss')));
  return { rss: sum('Rss'), pss: sum('Pss'), initPss: own };
}

/** Each beside `node -e 0`, all of its daemons running. */
async function measureStatus(managers: readonly Manager[], runs: number): Promise<SupervisionFigures['status']> {
  const node = spawnLauncher(NODE, () => [process.execPath, '-e', '0'], false);
  const results: { name: string; exit: Summary }[] = [];
  for (const manager of managers) {
    const { status } = manager;
    if (status === undefined) continue;
    try {
      await manager.boot();
      await timeStart(manager, () => manager.startAll());
      await sleep(STABLE);
      const own = spawnLauncher(manager.name, () => status, false, manager.environment);
      const [beside, found] = await interleave([node, own], runs, 'hot');
      if (results.length === 0) results.push({ name: NODE, exit: beside!.exit });
      results.push({ name: manager.name, exit: found!.exit });
    } finally {
      await manager.end().catch(() => {});
    }
  }
  return results;
}
