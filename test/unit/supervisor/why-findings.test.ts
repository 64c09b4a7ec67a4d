import { describe, expect, it } from 'vitest';
import type { FirewallState } from '../../../src/host/firewall-state.ts';
import type { FirewallPlan } from '../../../src/sandbox/plan.ts';
import type { WhyFacts } from '../../../src/supervisor/why-facts.ts';
import { ago, findingsOf } from '../../../src/supervisor/why-findings.ts';

const plan: FirewallPlan = {
  policy: 'reject',
  accept: [
    {
      label: 'db',
      text: 'db.test:5432',
      name: 'db.test',
      networks: ['192.0.2.1'],
      ports: [5432, 5432],
      protocol: 'tcp',
    },
  ],
  resolvers: [],
  resolveInterval: 60_000,
};
const firewall: FirewallState = {
  plan,
  resolvedAt: 90_000,
  inForce: true,
  refused: { packets: 0, bytes: 0 },
  destinations: [],
};
const facts: WhyFacts = {
  app: 'shop',
  now: 100_000,
  nodeFile: '/etc/metactl/nodes/shop.conf',
  problems: [],
  daemons: [{ name: 'main', running: { pid: 7, since: 0 } }],
  network: 'routed',
  address: '198.18.0.7',
  address6: undefined,
  troubles: [],
  configured: plan,
  firewall,
  filtered: [],
  lost: [],
};
const findings = (change: Partial<WhyFacts>) => findingsOf({ ...facts, ...change });

describe('why', () => {
  it('finds nothing wrong with an app that runs as it should', () => {
    expect(findings({})).toEqual([]);
    expect(findings({ configured: undefined, firewall: undefined })).toEqual([]);
  });

  it('finds what other tools do to the network, and what the host can’t give', () => {
    const trouble = { id: 'foreign-firewall', what: 'ufw drops it', todo: 'to let them pass: ufw …' } as const;
    expect(findings({ troubles: [trouble] })).toEqual([
      {
        id: 'foreign-firewall',
        severity: 'warning',
        what: 'shop runs, but ufw drops it',
        evidence: [],
        todo: trouble.todo,
      },
    ]);
  });

  it('finds what does not run, and a configuration that would not', () => {
    const found = findings({ daemons: [{ name: 'main' }], problems: ['x.conf:1:1: bad'], firewall: undefined });
    expect(found.map(({ id, severity, what }) => [id, severity, what])).toEqual([
      ['configuration', 'error', 'the configuration of shop has 1 error: the next start would fail'],
      ['not-running', 'error', 'shop/main is not running'],
    ]);
    expect(found[0]!.evidence).toEqual(['x.conf:1:1: bad']);
    expect(found[1]!.todo).toMatch(/^correct the configuration; then start it: `metactl start shop main`/);
  });

  it('finds rules that are gone', () => {
    expect(findings({ firewall: { ...firewall, inForce: false } })).toMatchObject([
      { id: 'firewall-gone', severity: 'error', what: 'the firewall rules of shop are not in force' },
    ]);
  });

  it('finds a firewall that is not as configured any more, whatever its names stand for', () => {
    const changed = { ...plan, policy: 'drop' } as const;
    expect(findings({ configured: changed })).toMatchObject([
      {
        id: 'firewall-changed',
        evidence: ['in force: policy reject; db = db.test:5432', 'configured: policy drop; db = db.test:5432'],
        todo: 'restart shop',
      },
    ]);
    expect(findings({ configured: undefined })).toMatchObject([{ id: 'firewall-changed' }]);
    const accept = [{ ...plan.accept[0]!, networks: ['192.0.2.9'] }];
    expect(findings({ configured: { ...plan, accept } })).toEqual([]);
  });

  it('finds names that do not resolve, and tells what is allowed meanwhile', () => {
    const failed = (networks: string[]) => {
      const accept = [{ ...plan.accept[0]!, networks, problem: 'EAI_AGAIN' }];
      return findings({ firewall: { ...firewall, plan: { ...plan, accept } } })[0];
    };
    expect(failed([])).toMatchObject({
      id: 'name-unresolved',
      what: '1 name in [firewall.out.accept] of shop did not resolve',
      evidence: ['db: db.test: EAI_AGAIN, 10 s ago; nothing is allowed for it'],
    });
    expect(failed(['192.0.2.1'])!.evidence).toEqual(['db: db.test: EAI_AGAIN, 10 s ago; it keeps 192.0.2.1']);
  });

  it('finds refused connections, the last ones first, and the line that would allow them', () => {
    const one = { protocol: 'udp', port: 53, packets: 1, bytes: 60, agoMs: 3_000 };
    const destinations = [
      { ...one, address: '2001:db8::1' },
      { ...one, address: '192.0.2.2', protocol: 'tcp', packets: 2, agoMs: 130_000 },
    ];
    expect(findings({ firewall: { ...firewall, refused: { packets: 3, bytes: 180 }, destinations } })).toEqual([
      {
        id: 'refused',
        severity: 'warning',
        what: 'the firewall refused 3 packets of shop since it was started',
        evidence: ['udp [2001:db8::1]:53, 1 packet, 3 s ago', 'tcp 192.0.2.2:53, 2 packets, 2 min ago'],
        todo: 'if shop may connect there, add a line such as `LABEL = [2001:db8::1]:53/udp` to [firewall.out.accept] in /etc/metactl/nodes/shop.conf and restart it',
      },
    ]);
  });

  it('shows refused packets without ports, and how ICMP is allowed', () => {
    const one = { packets: 1, bytes: 60, agoMs: 3_000 };
    const told = (address: string, protocol: string) => {
      const destinations = [{ ...one, address, protocol }];
      const [found] = findings({ firewall: { ...firewall, refused: { packets: 1, bytes: 60 }, destinations } });
      return [found!.evidence[0], /`LABEL = (.*?)`/.exec(found!.todo)![1]];
    };
    expect(told('192.0.2.2', 'icmp')).toEqual(['icmp 192.0.2.2, 1 packet, 3 s ago', '192.0.2.2/icmp']);
    expect(told('2001:db8::1', 'ipv6-icmp')).toEqual([
      'ipv6-icmp [2001:db8::1], 1 packet, 3 s ago',
      '[2001:db8::1]/icmp',
    ]);
    expect(told('192.0.2.2', 'gre')).toEqual(['gre 192.0.2.2, 1 packet, 3 s ago', '192.0.2.2']);
  });

  it('advises to allow only system calls that can be', () => {
    const todo = (...calls: string[]) =>
      findings({ filtered: calls.map((call) => ({ call, action: 'kill', command: 'x', time: 0 })) })[0]!.todo;
    const line = 'if the app needs it and you trust it with it, allow it: `[sandbox] allow-syscalls = keyctl` in';
    expect(todo('keyctl')).toBe(`${line} /etc/metactl/nodes/shop.conf`);
    expect(todo('system call 20 of i386')).toBe(
      "let the app do without it; system call 20 of i386 can't be allowed: it is not of this machine's own convention, and all of those are killed",
    );
    expect(todo('keyctl', 'bpf')).toBe(
      `${line} /etc/metactl/nodes/shop.conf; bpf can't be allowed: it runs code in the kernel`,
    );
    expect(todo('system call 999')).toBe(
      "let the app do without it; system call 999 can't be allowed: it has no name that this version knows",
    );
  });

  it('finds system calls that a filter stopped', () => {
    const filtered = [{ call: 'bpf', action: 'errno', command: 'x', time: 40_000 }];
    expect(findings({ filtered })).toMatchObject([
      {
        id: 'system-call',
        what: 'the system call filter stopped 1 call of shop',
        evidence: ['x: bpf, errno, 60 s ago'],
      },
    ]);
  });
});

it.each([
  [0, 'just now'],
  [1_000, '1 s ago'],
  [119_999, '119 s ago'],
  [120_000, '2 min ago'],
  [7_200_000, '2 h ago'],
  [172_800_000, '2 d ago'],
])('%d ms are %s', (milliseconds, text) => {
  expect(ago(milliseconds)).toBe(text);
});
