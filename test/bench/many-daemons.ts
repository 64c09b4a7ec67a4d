import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AppHandle, Sandbox } from '../../src/host/host.ts';
import { equalBwrap } from './rivals.ts';
import { type BenchSite, openDaemon, startFirst } from './site.ts';
import { microseconds, now, percentile, type Summary, summarize } from './statistics.ts';

export interface ManyDaemons {
  readonly count: number;
  /** From the first call to the last first instruction. */
  readonly metactl: Summary;
  readonly bwrap: Summary;
  /** Memory that one sandbox keeps beside its program, kB: PSS of metactl-init; of bwrap's two processes. */
  readonly initPss: number;
  readonly bwrapPss: number;
}

const SIGTERM = 15;

/** kB, from smaps_rollup (proc(5)); 0 for a process that is gone. */
function pss(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

/**
 * So many daemons of one app, its network and cgroups there, against as many bwraps: all from this process, round by
 * round. The first round is not measured.
 */
export async function measureManyDaemons(site: BenchSite, count: number, rounds: number): Promise<ManyDaemons> {
  const prepared = await site.app('many', count, true);
  const handles: AppHandle[] = [];
  const running = new Set<Sandbox>();
  const times = { metactl: [] as number[], bwrap: [] as number[] };
  let initPss = 0;
  let bwrapPss = 0;
  try {
    for (const plan of prepared.plans) handles.push(await openDaemon(prepared, plan));
    for (let round = 0; round <= rounds; round++) {
      const called = now();
      const started = await Promise.all(
        handles.map(async (handle, i) => {
          const one = await startFirst(handle, prepared.plans[i]!);
          running.add(one.sandbox);
          return one;
        }),
      );
      const time = lastFirst(called, await Promise.all(started.map(({ printed }) => printed)));
      initPss = percentile(
        started.map(({ sandbox }) => pss(sandbox.pid)),
        0.5,
      );
      // No `kill`: that would cost their cgroups too.
      for (const { sandbox } of started) sandbox.signal(SIGTERM);
      await Promise.all(started.map(({ sandbox }) => sandbox.ended));
      running.clear();
      const rival = await manyBwraps(site, count);
      bwrapPss = rival.pss;
      if (round === 0) continue;
      times.metactl.push(time);
      times.bwrap.push(rival.time);
    }
  } finally {
    for (const sandbox of running) sandbox.kill();
    for (const handle of handles) await handle.close();
  }
  return { count, metactl: summarize(times.metactl), bwrap: summarize(times.bwrap), initPss, bwrapPss };
}

function lastFirst(called: bigint, printed: readonly bigint[]): number {
  return Math.max(...printed.map((at) => microseconds(called, at)));
}

async function manyBwraps(site: BenchSite, count: number): Promise<{ time: number; pss: number }> {
  const [file, ...args] = equalBwrap(site.directory, [site.program, 'hold']);
  const children: ChildProcess[] = [];
  try {
    const called = now();
    for (let i = 0; i < count; i++) children.push(spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
    const printed = await Promise.all(children.map(firstNumber));
    const time = lastFirst(called, printed);
    // bwrap stays twice: as our child, and as PID 1 inside.
    const kept = children.map(({ pid }) => [pid!, ...childrenOf(pid!)].reduce((sum, one) => sum + pss(one), 0));
    return { time, pss: percentile(kept, 0.5) };
  } finally {
    const ended = children.map((child) => once(child, 'close'));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(ended);
  }
}

function firstNumber(child: ChildProcess): Promise<bigint> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (data: Buffer) => {
      output += data.toString();
      if (output.endsWith('\n')) resolve(BigInt(output.trim()));
    });
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`bwrap ended with ${code}`)));
  });
}
