import { expect, it } from 'vitest';
import type { ForwardJudgement } from '../../../../src/host/linux/firewall/judge.ts';
import { firewallWarnings } from '../../../../src/host/linux/firewall/warn.ts';

const ufw: ForwardJudgement = {
  tool: 'ufw',
  family: 'ip',
  table: 'filter',
  chain: 'FORWARD',
  legacy: false,
  outgoing: 'dropped',
  incoming: 'dropped',
};

it('tells what is in the way, and the command', () => {
  expect(firewallWarnings('shop', [ufw], false)).toEqual([
    'shop runs, but ufw (ip filter, chain FORWARD) drops connections of apps to other machines. To let them pass: ufw route allow in on mt-+',
  ]);
  expect(firewallWarnings('shop', [{ ...ufw, outgoing: 'depends' }], false)).toEqual([
    'shop runs, but ufw (ip filter, chain FORWARD) may drop connections of apps to other machines, depending on its rules. To let them pass: ufw route allow in on mt-+',
  ]);
  expect(firewallWarnings('shop', [{ ...ufw, outgoing: 'passes' }], false)).toEqual([]);
});
