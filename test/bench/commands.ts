import { join } from 'node:path';
import { REPOSITORY } from '../helpers/run-metactl.ts';
import { interleave, type Launcher, type Result, spawnLauncher } from './launcher.ts';
import type { BenchSite } from './site.ts';

const METACTL = join(REPOSITORY, 'bin/metactl.cjs');

/** Whole commands, from spawn to exit, beside `node -e 0`, which none can beat. */
export async function measureCommands(site: BenchSite, runs: number): Promise<Record<CommandName, Result>> {
  await site.app('command', 1, false);
  const metactl = (...words: string[]): string[] => [process.execPath, METACTL, '--root', site.root, ...words];
  const launchers: Launcher[] = [
    spawnLauncher('node -e 0', () => [process.execPath, '-e', '0'], false),
    spawnLauncher('metactl ip', () => metactl('ip', 'command'), false),
    spawnLauncher('metactl config', () => metactl('config', 'command'), false),
    spawnLauncher('metactl run', () => metactl('run', 'command', 'd0')),
  ];
  const [node, ip, config, run] = await interleave(launchers, runs, 'hot');
  return { node: node!, ip: ip!, config: config!, run: run! };
}

export type CommandName = 'node' | 'ip' | 'config' | 'run';
