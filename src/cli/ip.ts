import type { Command } from 'commander';
import type { AppAddress } from '../host/host.ts';
import { addresses } from '../host/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';
import { jsonText, print, remark } from './print.ts';

/** `metactl ip APP`: its addresses, which stay the same as long as the app is on this node. */
export function register(program: Command): void {
  program
    .command('ip')
    .description("Print an app's addresses, IPv4 first. They are leased at the first start and stay the same.")
    .argument('<app>', 'the app')
    .addHelpText(
      'after',
      '\nOne line each, the IPv6 address second where [network] pool has IPv6. An app with mode = host has those of this host.',
    )
    .action(async (app: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const found = (await addresses()).addressOf(context.paths, app);
      const { address, address6, network } = found;
      if (address === undefined) throw await noAddress(context.paths, app, found);
      // Set: not the app's own.
      const shared = network === undefined ? {} : { network };
      if (context.json) {
        print(jsonText({ app, address, address6: address6 ?? null, ...shared }));
        return;
      }
      print(address6 === undefined ? `${address}\n` : `${address}\n${address6}\n`);
      if (network === 'host') remark(`${app} is not isolated: it is in the network of this host`);
    });
}

/** The configuration is only read to tell why there is none: the ordinary answer must be quick. */
async function noAddress(paths: Paths, app: string, { network }: AppAddress): Promise<MetactlError> {
  const [{ loadApp }, { platforms }] = await Promise.all([import('../config/load.ts'), import('../platform/index.ts')]);
  loadApp(paths, app, platforms);
  if (network === 'none') {
    return new MetactlError(`${app} has no address`, {
      code: 'METACTL_NO_ADDRESS',
      hint: 'it was started with [sandbox.net] mode = none',
      exitStatus: EXIT.error,
    });
  }
  return new MetactlError(`${app} has no address yet`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `it gets one at its first start: metactl run ${app}`,
    exitStatus: EXIT.notRunning,
  });
}
