import { readFileSync } from 'node:fs';
import type { NodeConfig } from '../../../config/types.ts';
import type { NetworkTrouble } from '../../network-trouble.ts';
import { defaultDevice } from '../default-device.ts';
import { explain } from './explain.ts';
import type { ForwardJudgement } from './judge.ts';
import { readForeignFirewalls } from './read-foreign.ts';

/** One for each foreign firewall that is in the way of an app, with the command that lets it through. Pure. */
export function firewallTroubles(judgements: readonly ForwardJudgement[], incoming: boolean): NetworkTrouble[] {
  return judgements.flatMap((judgement) => {
    const found = explain(judgement, incoming);
    if (found === undefined) return [];
    const sure = found.certain ? '' : ', depending on its rules';
    return [{ id: 'foreign-firewall', what: `${found.text}${sure}`, todo: `to let them pass: ${found.command}` }];
  });
}

/** Reads the rules of others as they are now. It takes one question to the kernel where there are none. */
export function readFirewallTroubles(
  node: NodeConfig,
  network: { readonly ipv6: boolean; readonly published: boolean },
): NetworkTrouble[] {
  const uplink = node.uplink ?? defaultDevice(readFileSync('/proc/net/route', 'utf8'));
  const families = network.ipv6 ? (['ip', 'ip6'] as const) : (['ip'] as const);
  return firewallTroubles(readForeignFirewalls(uplink, families) ?? [], node.pool.length > 0 || network.published);
}
