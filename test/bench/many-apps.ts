import { setTimeout as sleep } from 'node:timers/promises';
import type { AppHandle, Sandbox } from '../../src/host/host.ts';
import { type Launcher, type Result, resultOf, type Sample, sample } from './launcher.ts';
import { coldLauncher, warmLauncher } from './metactl.ts';
import { type BenchSite, openDaemon, startFirst } from './site.ts';

export interface ManyApps {
  readonly count: number;
  readonly coldFirst: Result;
  readonly warmFirst: Result;
  readonly coldLast: Result;
  readonly warmLast: Result;
}

/** Until the kernel has done what making or removing hundreds of apps left for later: stages, RCU. ms */
const SETTLE = 3000;

/**
 * What starts of the first app cost, and of the last one beside so many that run. One more app stays throughout: what
 * the node as a whole has once (its nft table) is there in both cases. The first app is measured before and after, because
 * it takes a while to start the others: a machine that becomes slower meanwhile would be taken for the others' doing.
 */
export async function measureManyApps(site: BenchSite, count: number, runs: number): Promise<ManyApps> {
  const always = await keepOne(site, 'always');
  const others: Kept[] = [];
  try {
    const before = await measureApp(site, 'first-app', runs);
    for (let i = 1; i < count; i++) others.push(await keepOne(site, `app${i}`));
    const last = await measureApp(site, 'last-app', runs);
    await end(others.splice(0));
    const after = await measureApp(site, 'first-app', runs);
    const first = { cold: [...before.cold, ...after.cold], warm: [...before.warm, ...after.warm] };
    return {
      count,
      coldFirst: resultOf('first-app, cold', 'idle', first.cold),
      warmFirst: resultOf('first-app, warm', 'idle', first.warm),
      coldLast: resultOf('last-app, cold', 'idle', last.cold),
      warmLast: resultOf('last-app, warm', 'idle', last.warm),
    };
  } finally {
    await end([...others, always]);
  }
}

interface Kept {
  readonly handle: AppHandle;
  readonly sandbox: Sandbox;
}

async function keepOne(site: BenchSite, app: string): Promise<Kept> {
  const prepared = await site.app(app, 1, true);
  const plan = prepared.plans[0]!;
  const handle = await openDaemon(prepared, plan);
  const { sandbox, printed } = await startFirst(handle, plan);
  await printed;
  return { handle, sandbox };
}

async function end(kept: readonly Kept[]): Promise<void> {
  for (const { sandbox } of kept) sandbox.kill();
  for (const { handle } of kept) await handle.close();
}

interface Samples {
  readonly cold: readonly Sample[];
  readonly warm: readonly Sample[];
}

async function measureApp(site: BenchSite, app: string, runs: number): Promise<Samples> {
  const prepared = await site.app(app, 1, false);
  await sleep(SETTLE);
  const cold = await one(coldLauncher(`${app}, cold`, prepared), Math.ceil(runs / 2));
  const launcher = await warmLauncher(`${app}, warm`, prepared);
  try {
    return { cold, warm: await one(launcher, runs) };
  } finally {
    await launcher.close();
  }
}

async function one(launcher: Launcher, runs: number): Promise<Sample[]> {
  return (await sample([launcher], runs, 'idle'))[0]!;
}
