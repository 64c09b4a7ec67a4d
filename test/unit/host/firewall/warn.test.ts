import { expect, it } from 'vitest';
import type { ForwardJudgement } from '../../../../src/host/linux/firewall/judge.ts';
import { firewallTroubles } from '../../../../src/host/linux/firewall/warn.ts';

const ufw: ForwardJudgement = {
  tool: 'ufw',
  family: 'ip',
  table: 'filter',
  chain: 'FORWARD',
  legacy: false,
  hook: 'forward',
  outgoing: 'dropped',
  incoming: 'dropped',
};

it('tells what is in the way, and the command', () => {
  const id = 'foreign-firewall';
  const todo = 'to let them pass: ufw route allow in on mt-+';
  expect(firewallTroubles([ufw], false)).toEqual([
    { id, what: 'ufw (ip filter, chain FORWARD) drops connections of apps to other machines', todo },
  ]);
  expect(firewallTroubles([{ ...ufw, outgoing: 'depends' }], false)).toEqual([
    {
      id,
      what: 'ufw (ip filter, chain FORWARD) may drop connections of apps to other machines, depending on its rules',
      todo,
    },
  ]);
  expect(firewallTroubles([{ ...ufw, outgoing: 'passes' }], false)).toEqual([]);
});
