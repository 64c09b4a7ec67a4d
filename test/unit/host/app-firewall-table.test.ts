import { expect, it } from 'vitest';
import { firewallPart, ruleCount } from '../../../src/host/linux/app-firewall-table.ts';
import type { FirewallPlan } from '../../../src/sandbox/plan.ts';

const plan = (networks: string[], policy: FirewallPlan['policy'] = 'reject'): FirewallPlan => ({
  policy,
  accept: [{ label: 'db', text: 'db.test:1', networks, ports: [1, 1], protocol: 'tcp' }],
  resolvers: ['192.0.2.53'],
  resolveInterval: 60_000,
});

it('refuses names that stand for more addresses than a set may have', () => {
  const networks = Array.from({ length: 1025 }, (_, i) => `10.0.${i >> 7}.${2 * (i & 127)}`);
  expect(() => firewallPart('metactl-out', 'shop', 'mt-shop', plan(networks))).toThrow(
    'the names in [firewall.out.accept] of shop stand for too many addresses by now',
  );
  const [set] = firewallPart('metactl-out', 'shop', 'mt-shop', plan(networks.slice(0, 1000))).sets!;
  expect(set!.elements).toHaveLength(1002);
});

it.each(['reject', 'drop'] as const)('knows without addresses how many rules there are (%s)', (policy) => {
  const part = firewallPart('metactl-out', 'shop', 'mt-shop', plan(['10.0.0.1'], policy));
  expect(ruleCount('shop', plan([], policy))).toBe(part.chains[0]!.rules.length);
});
