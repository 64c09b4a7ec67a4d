import type { Command } from 'commander';
import { host } from '../host/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';

/** `metactl ip APP`: its address, which stays the same as long as the app is on this node. */
export function register(program: Command): void {
  program
    .command('ip')
    .description("Print an app's address. It is leased at the first start and stays the same.")
    .argument('<app>', 'the app')
    .action(async (app: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const address = (await host()).addressOf(context.paths, app);
      if (address === undefined) throw await noAddress(context.paths, app);
      process.stdout.write(context.json ? `${JSON.stringify({ app, address })}\n` : `${address}\n`);
    });
}

/** The configuration is only read to tell why there is none: the ordinary answer must be quick. */
async function noAddress(paths: Paths, app: string): Promise<MetactlError> {
  const [{ loadApp }, { platforms }] = await Promise.all([import('../config/load.ts'), import('../platform/index.ts')]);
  loadApp(paths, app, platforms);
  return new MetactlError(`${app} has no address yet`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `it gets one at its first start: metactl run ${app}`,
    exitStatus: EXIT.notRunning,
  });
}
