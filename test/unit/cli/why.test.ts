import { describe, expect, it } from 'vitest';
import { statusOf } from '../../../src/cli/why.ts';
import { whyJson, whyText } from '../../../src/cli/why-text.ts';
import type { WhyFacts } from '../../../src/supervisor/why-facts.ts';
import type { WhyFinding } from '../../../src/supervisor/why-findings.ts';

const facts: WhyFacts = {
  app: 'shop',
  now: 100_000,
  nodeFile: '/n.conf',
  problems: [],
  daemons: [{ name: 'main', running: { pid: 7, since: 40_000 } }, { name: 'job' }],
  network: 'routed',
  address: '198.18.0.7',
  address6: undefined,
  troubles: [],
  configured: undefined,
  firewall: {
    plan: {
      policy: 'reject',
      accept: [
        {
          label: 'db',
          text: 'db.test:1',
          name: 'db.test',
          networks: [],
          problem: 'ENOTFOUND',
          ports: [1, 1],
          protocol: 'tcp',
        },
        { label: 'net', text: '10.0.0.0/8', networks: ['10.0.0.0/8'] },
      ],
      resolvers: ['192.0.2.53'],
      resolveInterval: 60_000,
    },
    resolvedAt: 95_000,
    inForce: true,
    refused: { packets: 1, bytes: 60 },
    destinations: [{ address: '192.0.2.9', protocol: 'tcp', port: 80, packets: 1, bytes: 60, agoMs: 1_000 }],
  },
  filtered: [],
  lost: [],
};
const finding: WhyFinding = {
  id: 'x',
  severity: 'error',
  what: 'it is \x1b[2Jbroken',
  evidence: ['seen'],
  todo: 'mend it',
};

describe('why', () => {
  it('shows both addresses', () => {
    const both = { ...facts, address6: '2001:db8::7' };
    expect(whyText(both, [], false)).toContain('  network   routed, 198.18.0.7, 2001:db8::7\n');
    expect(whyJson(both, [])).toMatchObject({ network: { address: '198.18.0.7', address6: '2001:db8::7' } });
  });

  it('tells how things are, what is wrong and what to do, without letting anything act on the terminal', () => {
    expect(whyText(facts, [finding], false)).toBe(`shop: 1 of 2 daemons running
  main      pid 7, started 60 s ago
  job       not running
  network   routed, 198.18.0.7
  firewall  reject, 1 packet refused, names resolved 5 s ago
            db = db.test:1: nothing
            net = 10.0.0.0/8
error: it is \\x1b[2Jbroken
  seen
  do: mend it
`);
  });

  it('says so where nothing is wrong', () => {
    const text = whyText({ ...facts, firewall: undefined, address: undefined }, [], false);
    expect(text).toContain(
      '  network   routed\n  firewall  none: the app may connect to all that the host can reach\n',
    );
    expect(text).toMatch(/nothing is wrong with shop as far as metactl can see\n$/);
  });

  it('tells what the app reaches without a firewall, by its network', () => {
    const line = (network: WhyFacts['network']) =>
      /^ {2}firewall {2}(.*)$/m.exec(whyText({ ...facts, network, firewall: undefined }, [], false))![1];
    expect([line('nat'), line('none'), line('host')]).toEqual([
      'none: the app may connect to all that the host can reach',
      'none: the app has no network but loopback',
      "none: the app has this host's network and reaches all that the host does",
    ]);
  });

  it('tells the firewall of an app that does not run as it is configured', () => {
    const { plan } = facts.firewall!;
    const stopped = { ...facts, daemons: [{ name: 'main' }], configured: plan, firewall: undefined };
    expect(whyText(stopped, [], false)).toContain(
      '  firewall  reject, once it runs\n            db = db.test:1\n            net = 10.0.0.0/8\n',
    );
    const open = { ...facts, configured: plan, firewall: undefined };
    expect(whyText(open, [], false)).toContain('  firewall  reject as configured, not in force\n');
  });

  it('colours on a terminal only', () => {
    expect(whyText(facts, [finding], true)).toContain('\x1b[31merror\x1b[39m: ');
  });

  it('has a stable shape for programs', () => {
    expect(whyJson(facts, [finding])).toMatchObject({
      app: 'shop',
      ok: false,
      daemons: [
        { name: 'main', running: true, pid: 7, startedAt: '1970-01-01T00:00:40.000Z' },
        { name: 'job', running: false, pid: null, startedAt: null },
      ],
      network: { mode: 'routed', address: '198.18.0.7' },
      firewall: {
        resolvedAt: '1970-01-01T00:01:35.000Z',
        destinations: [{ address: '192.0.2.9', port: 80, lastSeen: '1970-01-01T00:01:39.000Z' }],
      },
      findings: [finding],
    });
  });

  it('ends with a status for scripts', () => {
    const running = { daemons: facts.daemons.slice(0, 1) };
    expect([statusOf(running, []), statusOf(running, [finding]), statusOf(facts, [])]).toEqual([0, 1, 3]);
  });
});
