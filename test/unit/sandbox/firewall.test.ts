import { describe, expect, it } from 'vitest';
import {
  firewallNames,
  namesOf,
  planFirewall,
  type Resolutions,
  requireSmall,
  withNames,
} from '../../../src/sandbox/firewall.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { inspect } from '../config/root.ts';

const NODE = `[firewall.out]
policy = reject
[firewall.out.accept]
db = db.example.org:5432
again = DB.example.org:5433/udp
net = 10.0.0.0/8
dns6 = [2001:db8::/32]:53/udp
`;
const own = {
  resolvConf: 'search x\nnameserver 192.0.2.53\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\n',
  network: 'own',
} as const;
const found: Resolutions = new Map([['db.example.org', { addresses: ['192.0.2.1', '2001:db8::1'] }]]);
const config = (node: string) => inspect({ node }).config;

describe('a firewall', () => {
  it('is planned with the addresses of its names and the resolvers', () => {
    expect(firewallNames(config(NODE))).toEqual(['db.example.org']);
    const name = { name: 'db.example.org', networks: ['192.0.2.1', '2001:db8::1'] };
    expect(planFirewall(config(NODE), found, own)).toEqual({
      policy: 'reject',
      accept: [
        { label: 'db', text: 'db.example.org:5432', ...name, ports: [5432, 5432], protocol: 'tcp' },
        { label: 'again', text: 'DB.example.org:5433/udp', ...name, ports: [5433, 5433], protocol: 'udp' },
        { label: 'net', text: '10.0.0.0/8', networks: ['10.0.0.0/8'] },
        {
          label: 'dns6',
          text: '[2001:db8::/32]:53/udp',
          networks: ['2001:db8::/32'],
          ports: [53, 53],
          protocol: 'udp',
        },
      ],
      resolvers: ['192.0.2.53', 'fe80::1'],
      resolveInterval: 60_000,
    });
  });

  it('is none where everything is allowed, or nothing gets out anyway', () => {
    const open = config('[firewall.out.accept]\ndb = db.example.org:5432\n');
    expect(planFirewall(open, found, own)).toBeUndefined();
    expect(firewallNames(open)).toEqual([]);
    expect(planFirewall(config(NODE), found, { ...own, network: 'none' })).toBeUndefined();
  });

  it('must be one that can be kept', () => {
    const shared = () => planFirewall(config(NODE), found, { ...own, network: 'shared' });
    expect(shared).toThrow(MetactlError);
    expect(shared).toThrow(/nodes\/myapp\.conf:2: \[firewall\.out\] policy = reject needs a network of the app's own$/);
  });

  it('must be small, however its entries cut each other', () => {
    const lines = (name: string, value: (i: number) => string) =>
      Array.from({ length: 32 }, (_, i) => `${name}${i} = ${value(i)}\n`).join('');
    const ports = lines('port', (i) => `0.0.0.0/0:${1000 + 2 * i}`);
    const networks = lines('net', (i) => `10.0.${2 * i}.0/24:900-50000`);
    const head = '[firewall.out]\npolicy = reject\n[firewall.out.accept]\n';
    const small = config(`${head}${ports}`);
    requireSmall(small, planFirewall(small, found, own)!);
    const large = config(`${head}${ports}${networks}`);
    const refused = () => requireSmall(large, planFirewall(large, found, own)!);
    expect(refused).toThrow(
      /nodes\/myapp\.conf:4: \[firewall\.out\.accept\] is more than 1024 networks and ports, once what overlaps is cut$/,
    );
    expect(refused).toThrow(MetactlError);
    expect(inspect({ node: `${head}${ports}${networks}one-more = 10.1.0.0/16\n` }).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf:68:12: found more than 64 entries of [firewall.out.accept], expected a smaller file',
    ]);
    expect(inspect({ node: `${head}${ports}${networks}` }).lines).toEqual([]);
  });

  it('is not refused for what the owner of a name makes of it', () => {
    const node = `${NODE}one = one.example.org:80\n`;
    const many = Array.from({ length: 1500 }, (_, i) => `192.0.${i >> 7}.${2 * (i & 127)}`);
    const names = (one: readonly string[]): Resolutions => new Map([...found, ['one.example.org', { addresses: one }]]);
    const problem = 'its 1500 addresses are too many';
    const plan = planFirewall(config(node), names(many), own)!;
    requireSmall(config(node), plan);
    expect(plan.accept.at(-1)).toMatchObject({ networks: [], problem });
    expect(plan.accept[0]).toMatchObject({ networks: ['192.0.2.1', '2001:db8::1'] });
    const before = planFirewall(config(node), names(['192.0.2.7']), own)!;
    expect(withNames(before, names(many)).accept.at(-1)).toMatchObject({ networks: ['192.0.2.7'], problem });
    const mended = withNames(withNames(before, names(many)), names(['192.0.2.8'])).accept.at(-1)!;
    expect(mended).toMatchObject({ networks: ['192.0.2.8'] });
    expect(mended).not.toHaveProperty('problem');
  });

  it('leaves room for the resolvers', () => {
    const names: Resolutions = new Map([
      ['db.example.org', { addresses: Array.from({ length: 511 }, (_, i) => `192.0.${i >> 7}.${2 * (i & 127)}`) }],
    ]);
    const resolvConf = Array.from({ length: 3 }, (_, i) => `nameserver 198.18.0.${2 * i + 1}\n`).join('');
    const { accept } = planFirewall(config(NODE), names, { ...own, resolvConf })!;
    expect(accept.map(({ problem }) => problem)).toEqual([
      'its 511 addresses are too many',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('has an interval as configured', () => {
    const node = NODE.replace('reject\n', 'drop\nresolve-interval = 5min\n');
    expect(planFirewall(config(node), found, own)).toMatchObject({ policy: 'drop', resolveInterval: 300_000 });
    expect(inspect({ node: '[firewall.out]\nresolve-interval = 10ms\n' }).lines).toHaveLength(1);
  });

  it('allows nothing for a name that did not resolve', () => {
    const missing: Resolutions = new Map([['db.example.org', { addresses: [], problem: 'ENOTFOUND' }]]);
    expect(planFirewall(config(NODE), missing, own)!.accept[0]).toMatchObject({ networks: [], problem: 'ENOTFOUND' });
    expect(planFirewall(config(NODE), new Map(), own)!.accept[0]).toMatchObject({
      networks: [],
      problem: 'not looked up',
    });
  });

  it('follows its names: gone is gone, but a resolver that fails changes nothing', () => {
    const plan = planFirewall(config(NODE), found, own)!;
    expect(namesOf(plan)).toEqual(['db.example.org']);
    const later = (resolution: { addresses: string[]; problem?: string }) =>
      withNames(plan, new Map([['db.example.org', resolution]])).accept[0];
    expect(later({ addresses: ['192.0.2.9'] })).toMatchObject({ networks: ['192.0.2.9'] });
    expect(later({ addresses: [], problem: 'EAI_AGAIN' })).toMatchObject({
      networks: ['192.0.2.1', '2001:db8::1'],
      problem: 'EAI_AGAIN',
    });
    expect(later({ addresses: [], problem: 'ENOTFOUND' })).toMatchObject({ networks: [], problem: 'ENOTFOUND' });
    expect(withNames(withNames(plan, new Map([['db.example.org', { addresses: [], problem: 'X' }]])), found)).toEqual(
      plan,
    );
  });
});
