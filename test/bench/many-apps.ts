import type { AppHandle, Sandbox } from '../../src/host/host.ts';
import { interleave, type Launcher, type Result } from './launcher.ts';
import { coldLauncher, warmLauncher } from './metactl.ts';
import { type BenchSite, openDaemon, startFirst } from './site.ts';

export interface ManyApps {
  readonly count: number;
  readonly coldFirst: Result;
  readonly warmFirst: Result;
  readonly coldLast: Result;
  readonly warmLast: Result;
}

/**
 * What starts of the first app cost, and of the last one beside so many that run. One more app stays throughout: what
 * the node as a whole has once (its nft table) is there in both cases.
 */
export async function measureManyApps(site: BenchSite, count: number, runs: number): Promise<ManyApps> {
  const others: { handle: AppHandle; sandbox: Sandbox }[] = [];
  const keepOne = async (app: string): Promise<void> => {
    const prepared = await site.app(app, 1, true);
    const plan = prepared.plans[0]!;
    const handle = await openDaemon(prepared, plan);
    const { sandbox, printed } = await startFirst(handle, plan);
    others.push({ handle, sandbox });
    await printed;
  };
  try {
    await keepOne('always');
    const alone = await measureApp(site, 'first-app', runs);
    for (let i = 1; i < count; i++) await keepOne(`app${i}`);
    const beside = await measureApp(site, 'last-app', runs);
    return { count, coldFirst: alone.cold, warmFirst: alone.warm, coldLast: beside.cold, warmLast: beside.warm };
  } finally {
    for (const { sandbox } of others) sandbox.kill();
    for (const { handle } of others) await handle.close();
  }
}

async function measureApp(site: BenchSite, app: string, runs: number): Promise<{ cold: Result; warm: Result }> {
  const prepared = await site.app(app, 1, false);
  const cold = await one(coldLauncher(`${app}, cold`, prepared), Math.ceil(runs / 4));
  const launcher = await warmLauncher(`${app}, warm`, prepared);
  try {
    return { cold, warm: await one(launcher, runs) };
  } finally {
    await launcher.close();
  }
}

async function one(launcher: Launcher, runs: number): Promise<Result> {
  return (await interleave([launcher], runs, 'idle'))[0]!;
}
