import { readFileSync } from 'node:fs';
import type { NodeConfig } from '../../../config/types.ts';
import type { OwnNetwork } from '../../../sandbox/plan.ts';
import { defaultDevice } from '../default-device.ts';
import { explain } from './explain.ts';
import type { ForwardJudgement } from './judge.ts';
import { readForeignFirewalls } from './read-foreign.ts';

/** One message for each foreign firewall that is in the way of an app, with the command that lets it through. Pure. */
export function firewallWarnings(app: string, judgements: readonly ForwardJudgement[], incoming: boolean): string[] {
  return judgements.flatMap((judgement) => {
    const found = explain(judgement, incoming);
    if (found === undefined) return [];
    const sure = found.certain ? '' : ', depending on its rules';
    return [`${app} runs, but ${found.text}${sure}. To let them pass: ${found.command}`];
  });
}

/** Reads the rules of others as they are now. It takes one question to the kernel where there are none. */
export function readFirewallWarnings(app: string, node: NodeConfig, network: OwnNetwork): string[] {
  const uplink = node.uplink ?? defaultDevice(readFileSync('/proc/net/route', 'utf8'));
  const families = network.address6 === undefined ? (['ip'] as const) : (['ip', 'ip6'] as const);
  const incoming = node.pool.length > 0 || network.publish !== undefined;
  return firewallWarnings(app, readForeignFirewalls(uplink, families) ?? [], incoming);
}
