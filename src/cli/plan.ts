import type { Command } from 'commander';
import { currentName } from '../supervisor/logs/rotation.ts';
import { describeLog, logSettings } from '../supervisor/logs/settings.ts';
import { type Prepared, prepare } from '../supervisor/prepare.ts';
import { hideInData } from '../util/secrets.ts';
import { contextOf } from './context.ts';
import { planJson, planText } from './plan-text.ts';
import { jsonText, print, remark } from './print.ts';

/** `metactl plan APP [DAEMON]`: every effect of a start, before it happens. Takes no lease and makes nothing. */
export function register(program: Command): void {
  program
    .command('plan')
    .description(
      'Print exactly what a start would do: namespaces, mounts in order, limits, network, environment, command.',
    )
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon; without it all of them')
    .option('--reveal', 'do not mask passwords')
    .action(async (app: string, daemon: string | undefined, options: { reveal?: boolean }, command: Command) => {
      const context = contextOf(command);
      const wanted = { daemon, sandbox: true, start: false, names: true };
      const prepared = await prepare(context.paths, app, wanted);
      const { plans, warnings, config, host, paths, node } = prepared;
      // The daemons share the network.
      const changes = plans[0] === undefined ? [] : host.networkChanges(paths, node, plans[0].network);
      const rules = await firewallRules(prepared);
      const reveal = options.reveal === true;
      const hide = <T>(data: T) => (reveal ? data : hideInData(data, config.secrets));
      const settings = (name: string) => logSettings(config, name, 'stdout');
      const log = (name: string) => describeLog(settings(name), `${paths.log}/${app}/${currentName(name)}`);
      const daemons = () =>
        plans.map((plan) => ({ ...planJson(plan, config, reveal), log: hide(settings(plan.daemon)) }));
      const firewall = rules === '' ? {} : { firewallRules: hide(rules) };
      const text = context.json
        ? jsonText({ app, warnings, sysctls: changes, daemons: daemons(), ...firewall }, 2)
        : plans.map((plan) => planText(plan, config, reveal, { rules, changes, log: log(plan.daemon) })).join('\n');
      print(text);
      if (!context.json) for (const warning of warnings) remark(`warning: ${warning}`);
    });
}

/** The rules of the app's firewall in the words of the system's own; '' where it has none. */
async function firewallRules({ host, paths, plans: [plan] }: Prepared): Promise<string> {
  if (plan?.firewall === undefined || !('hostLink' in plan.network)) return '';
  return await host.firewallRules(paths, plan.app, plan.network.hostLink, plan.firewall);
}
