import { describe, expect, it } from 'vitest';
import { explain } from '../../../../src/host/linux/firewall/explain.ts';
import type { ForwardJudgement } from '../../../../src/host/linux/firewall/judge.ts';

const judgement = (tool: ForwardJudgement['tool'], more: Partial<ForwardJudgement> = {}): ForwardJudgement => ({
  tool,
  family: 'ip',
  table: 'filter',
  chain: 'FORWARD',
  legacy: false,
  hook: 'forward',
  outgoing: 'dropped',
  incoming: 'dropped',
  ...more,
});

describe('what a foreign firewall means, and the command that allows the apps', () => {
  it('says nothing where everything needed passes', () => {
    expect(explain(judgement('ufw', { outgoing: 'passes' }), false)).toBeUndefined();
    expect(explain(judgement('ufw', { outgoing: 'passes', incoming: 'passes' }), true)).toBeUndefined();
  });

  it('tells certain from possible', () => {
    expect(explain(judgement('Docker', { incoming: 'depends' }), true)).toEqual({
      text: "Docker's firewall (ip filter, chain FORWARD) drops connections of apps to other machines, and may drop connections from other machines to apps",
      command: 'iptables -I DOCKER-USER -i mt-+ -j ACCEPT && iptables -I DOCKER-USER -o mt-+ -j ACCEPT',
      certain: true,
    });
    expect(explain(judgement('ufw', { outgoing: 'depends' }), false)).toMatchObject({
      text: 'ufw (ip filter, chain FORWARD) may drop connections of apps to other machines',
      certain: false,
    });
  });

  it.each<[ForwardJudgement, boolean, string]>([
    [
      judgement('iptables', { legacy: true }),
      false,
      'iptables-legacy -I FORWARD -i mt-+ -j ACCEPT && iptables-legacy -I FORWARD -o mt-+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ],
    [judgement('ufw'), true, 'ufw route allow in on mt-+ && ufw route allow out on mt-+'],
    [
      judgement('firewalld', { family: 'inet', table: 'firewalld' }),
      false,
      'firewall-cmd --permanent --zone=trusted --add-interface=mt-+ && firewall-cmd --reload',
    ],
    [
      judgement('firewalld', { family: 'inet', table: 'firewalld' }),
      true,
      'firewall-cmd --permanent --zone=trusted --add-interface=mt-+ && firewall-cmd --permanent --new-policy=to-metactl && ' +
        'firewall-cmd --permanent --policy=to-metactl --add-ingress-zone=ANY --add-egress-zone=trusted --set-target=ACCEPT && firewall-cmd --reload',
    ],
    [
      judgement('nftables', { family: 'inet', table: 'router', chain: 'fwd' }),
      true,
      `nft insert rule inet router fwd iifname '"mt-*"' accept && nft insert rule inet router fwd oifname '"mt-*"' accept`,
    ],
  ])('%o', (one, incoming, command) => {
    expect(explain(one, incoming)?.command).toBe(command);
  });
});
