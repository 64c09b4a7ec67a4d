import { describe, expect, it } from 'vitest';
import {
  ensureFirewall,
  readFirewall,
  removeFirewall,
  renewFirewall,
  repairFirewall,
} from '../../../src/host/linux/app-firewall.ts';
import { firewallTable, firewallTableName, firewallText } from '../../../src/host/linux/app-firewall-table.ts';
import { makeRunDirectories } from '../../../src/host/linux/directories.ts';
import { tableText } from '../../../src/host/linux/nft-text.ts';
import type { FirewallEntry, FirewallPlan } from '../../../src/sandbox/plan.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, outputIn, Program, type Site, TCP_CLIENT, TCP_SERVER, withSite } from './site.ts';

leakCheck();

const WEB = '198.18.76.150';
const DB = '198.18.76.151';

function plan(...accept: Partial<FirewallEntry>[]): FirewallPlan {
  const entries = accept.map((entry, i) => ({ label: `l${i}`, text: '', networks: [], ...entry }));
  return { policy: 'reject', accept: entries, resolvers: [], resolveInterval: 60_000 };
}

const tcp = (network: string, first: number, last = first): Partial<FirewallEntry> => ({
  networks: [network],
  ports: [first, last],
  protocol: 'tcp',
});

/** A site whose apps' firewalls go with it. */
async function withFirewalls(
  work: (site: Site, put: (app: string, plan: FirewallPlan) => Promise<void>) => Promise<void>,
) {
  await withSite(async (site) => {
    const apps = new Set<string>();
    const put = async (app: string, firewall: FirewallPlan) => {
      makeRunDirectories(site.paths, app);
      apps.add(app);
      await ensureFirewall(site.paths, app, site.plan(app, WEB).hostLink, firewall);
    };
    try {
      await work(site, put);
    } finally {
      for (const app of apps) await removeFirewall(site.paths, app);
    }
  });
}

/** Says what became of a connection: what was read, or the error. */
async function connect(netns: string | undefined, address: string, port = 80): Promise<string> {
  const client = new Program(netns, TCP_CLIENT, address, String(port));
  try {
    const first = await client.line(1);
    return /^[A-Z]/.test(first) ? first : await client.line(2);
  } finally {
    await client.end();
  }
}

async function withServer(netns: string | undefined, work: () => Promise<void>, script = TCP_SERVER): Promise<void> {
  const server = new Program(netns, script);
  try {
    await server.line(1);
    await work();
  } finally {
    await server.end();
  }
}

/** A datagram to ADDRESS PORT; says the answer or the error. */
const UDP_CLIENT = `
const socket = require('node:dgram').createSocket('udp4');
const [address, port] = process.argv.slice(1);
socket.on('message', (message) => { console.log('answer'); socket.close(); });
socket.on('error', (error) => { console.log(error.code); socket.close(); });
socket.connect(Number(port), address, () => socket.send('x'));
setTimeout(() => { console.log('nothing'); process.exit(); }, 1500);`;

/** One space for any, and elements in one order: nft has one of its own for concatenations. */
const spaces = (text: string) =>
  text
    .replace(/\s+/g, ' ')
    .replace(/elements = \{ ([^}]*) \}/g, (_, list: string) => `elements = { ${list.split(', ').sort().join(', ')} }`);
/** The counters, sets and chains of a table, in one order. */
const things = (table: string) =>
  spaces(table)
    .slice(0, -' } '.length)
    .split(/ (?=(?:counter|set|map|chain) \S+ \{)/)
    .slice(1)
    .sort();

describe('the firewall of an app', () => {
  it('is in the kernel what the plan shows, and goes without a trace', () =>
    withFirewalls(async (site, put) => {
      const table = firewallTableName(site.paths);
      const wanted: FirewallPlan = {
        ...plan(tcp('10.0.0.0/8', 443), tcp('10.1.2.3', 400, 500), { networks: ['192.0.2.0/24', '2001:db8::/32'] }),
        resolvers: ['192.0.2.53', '2001:db8::53'],
      };
      await put('web', wanted);
      const shown = output('nft', '-s', 'list', 'table', 'inet', table);
      const part = things(firewallText(table, 'web', site.plan('web', WEB).hostLink, wanted));
      // What apps have in common, but for the map of links, of which the part shows the app's own element.
      const common = things(tableText(firewallTable(table))).filter((thing) => !thing.startsWith('map links'));
      expect(things(shown)).toEqual([...part, ...common].sort());
      await removeFirewall(site.paths, 'web');
      expect(output('nft', 'list', 'tables')).not.toContain(table);
    }));

  it('refuses at once what no entry allows, and counts it', () =>
    withFirewalls(async (site, put) => {
      const { otherNetns, otherAddress } = site.lab;
      await put('web', plan(tcp(otherAddress, 80)));
      const { netns } = await site.make('web', WEB);
      await withServer(otherNetns, async () => {
        expect(await connect(netns, otherAddress, 80)).toBe('hello from inside');
        expect(await connect(netns, otherAddress, 81)).toBe('ECONNREFUSED');
      });
      const udp = new Program(netns, UDP_CLIENT, otherAddress, '80');
      expect(await udp.line(1).finally(() => udp.end())).toBe('EHOSTUNREACH');
      const state = readFirewall(site.paths, 'web')!;
      expect(state.inForce).toBe(true);
      expect(state.refused.packets).toBe(2);
      expect(state.destinations).toMatchObject([
        { address: otherAddress, protocol: 'udp', port: 80, packets: 1 },
        { address: otherAddress, protocol: 'tcp', port: 81, packets: 1 },
      ]);
      expect(state.destinations[0]!.agoMs).toBeLessThan(5_000);
    }));

  it('shows what has no ports too', () =>
    withFirewalls(async (site, put) => {
      await put('web', plan());
      const { netns } = await site.make('web', WEB);
      const echo = `import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.sendto(struct.pack('!BBHHH', 8, 0, 0xf7fd, 1, 1), ('${site.lab.otherAddress}', 0))`;
      for (let i = 0; i < 3; i++) outputIn(netns, 'python3', '-c', echo);
      const [first, ...others] = readFirewall(site.paths, 'web')!.destinations;
      expect(others).toEqual([]);
      expect(first).toMatchObject({ address: site.lab.otherAddress, protocol: 'icmp', packets: 3 });
      expect(first).not.toHaveProperty('port');
    }));

  it('remembers what one app was refused whatever others do', () =>
    withFirewalls(async (site, put) => {
      await put('web', plan());
      await put('db', plan());
      const web = await site.make('web', WEB);
      const db = await site.make('db', DB);
      const script = `
const socket = require('node:dgram').createSocket('udp4');
let sent = 0;
const next = () => {
  if (sent === 3000) return setTimeout(() => { console.log('done'); process.exit(); }, 200);
  const i = sent++;
  socket.send('x', 1 + i, '198.18.77.' + (i % 200), () => next());
};
socket.on('error', () => {});
socket.bind(next);`;
      const flood = new Program(web.netns, script);
      expect(await flood.line(1).finally(() => flood.end())).toBe('done');
      expect(await connect(db.netns, site.lab.otherAddress, 81)).toBe('ECONNREFUSED');
      expect(readFirewall(site.paths, 'db')!.destinations).toMatchObject([
        { address: site.lab.otherAddress, port: 81 },
      ]);
      const { refused, destinations } = readFirewall(site.paths, 'web')!;
      expect(refused.packets).toBeGreaterThan(1000);
      expect(destinations.length).toBeGreaterThan(20);
      expect(destinations.length).toBeLessThan(100);
    }));

  it('says nothing under the policy drop', () =>
    withFirewalls(async (site, put) => {
      await put('web', { ...plan(), policy: 'drop' });
      const { netns } = await site.make('web', WEB);
      const udp = new Program(netns, UDP_CLIENT, site.lab.otherAddress, '9');
      expect(await udp.line(1).finally(() => udp.end())).toBe('nothing');
      expect(readFirewall(site.paths, 'web')!.refused.packets).toBe(1);
    }));

  it('lets in whoever connects to the app, and the answers out', () =>
    withFirewalls(async (site, put) => {
      await put('web', plan());
      const { netns } = await site.make('web', WEB);
      await withServer(netns, async () => {
        expect(await connect(site.lab.otherNetns, WEB)).toBe('hello from inside');
        expect(await connect(undefined, WEB)).toBe('hello from inside');
      });
      expect(readFirewall(site.paths, 'web')!.refused.packets).toBe(0);
    }));

  it('holds for the host’s own addresses and for other apps, and leaves these alone', () =>
    withFirewalls(async (site, put) => {
      await put('web', plan(tcp(DB, 80)));
      const web = await site.make('web', WEB);
      const db = await site.make('db', DB);
      await withServer(undefined, async () => {
        expect(await connect(web.netns, site.lab.hostAddress)).toBe('ECONNREFUSED');
        expect(await connect(db.netns, site.lab.hostAddress)).toBe('hello from inside');
      });
      await withServer(db.netns, async () => {
        expect(await connect(web.netns, DB, 80)).toBe('hello from inside');
        await renewFirewall(site.paths, 'web', web.hostLink, plan());
        expect(await connect(web.netns, DB, 80)).toBe('ECONNREFUSED');
      });
    }));

  it('holds for IPv6', () =>
    withFirewalls(async (site, put) => {
      await put('web', plan({ networks: ['fd00:76::1'], ports: [80, 80], protocol: 'tcp' }));
      const { netns, hostLink } = await site.make('web', WEB);
      output('ip', 'addr', 'add', 'fd00:76::1/64', 'dev', hostLink, 'nodad');
      outputIn(netns, 'sysctl', '-qw', 'net.ipv6.conf.veth0.disable_ipv6=0');
      outputIn(netns, 'ip', 'addr', 'add', 'fd00:76::2/64', 'dev', 'veth0', 'nodad');
      await withServer(
        undefined,
        async () => {
          expect(await connect(netns, 'fd00:76::1', 80)).toBe('hello from inside');
          expect(await connect(netns, 'fd00:76::1', 81)).toBe('ECONNREFUSED');
        },
        TCP_SERVER.replace('0.0.0.0', '::'),
      );
      expect(readFirewall(site.paths, 'web')!.destinations).toMatchObject([{ address: 'fd00:76::1', port: 81 }]);
    }));

  it('allows DNS of the resolvers only', () =>
    withFirewalls(async (site, put) => {
      await put('web', { ...plan(), resolvers: [site.lab.otherAddress] });
      const { netns } = await site.make('web', WEB);
      await withServer(
        site.lab.otherNetns,
        async () => expect(await connect(netns, site.lab.otherAddress, 53)).toBe('hello from inside'),
        TCP_SERVER.replace('80', '53'),
      );
      expect(await connect(netns, site.lab.hostAddress, 53)).toBe('ECONNREFUSED');
    }));

  it('keeps connections whose address leaves the sets', () =>
    withFirewalls(async (site, put) => {
      const { otherNetns, otherAddress } = site.lab;
      await put('web', plan(tcp(otherAddress, 80)));
      const { netns, hostLink } = await site.make('web', WEB);
      const script = `require('node:net').createServer((s) => s.pipe(s)).listen(80, () => console.log('ready'));`;
      const talker = `
const s = require('node:net').connect(80, process.argv[1], () => { s.write('one'); });
s.on('data', (d) => { console.log(String(d)); if (String(d) === 'one') setTimeout(() => s.write('two'), 700); });
s.on('error', (e) => console.log(e.code));`;
      await withServer(
        otherNetns,
        async () => {
          const client = new Program(netns, talker, otherAddress);
          try {
            expect(await client.line(1)).toBe('one');
            await renewFirewall(site.paths, 'web', hostLink, plan());
            expect(await client.line(2)).toBe('two');
            expect(await connect(netns, otherAddress)).toBe('ECONNREFUSED');
          } finally {
            await client.end();
          }
        },
        script,
      );
    }));
});

describe('a table of firewalls', () => {
  const list = (site: Site) => things(output('nft', '-s', 'list', 'table', 'inet', firewallTableName(site.paths)));

  it('that somebody took away or damaged is made again with all apps in it', () =>
    withFirewalls(async (site, put) => {
      const table = firewallTableName(site.paths);
      await put('web', plan(tcp('10.0.0.1', 1)));
      await put('db', plan(tcp('10.0.0.2', 2)));
      const whole = list(site);
      const damages = [
        ['delete', 'table', 'inet', table],
        ['flush', 'chain', 'inet', table, 'input'],
        ['flush', 'chain', 'inet', table, 'app-web'],
        ['flush', 'map', 'inet', table, 'links'],
        ['flush', 'set', 'inet', table, 'accept4-web'],
        ['add', 'element', 'inet', table, 'accept4-web', '{ 0.0.0.0/0 . tcp . 0-65535 }'],
        ['flush', 'set', 'inet', table, 'neighbour'],
        ['add', 'element', 'inet', table, 'ported', '{ icmp }'],
        ['flush', 'chain', 'inet', table, 'seen'],
      ];
      for (const damage of damages) {
        output('nft', ...damage);
        expect(readFirewall(site.paths, 'web')!.inForce, damage.join(' ')).toBe(false);
        expect(await repairFirewall(site.paths, 'web')).toBe(true);
        await repairFirewall(site.paths, 'db');
        expect(list(site)).toEqual(whole);
        expect(await repairFirewall(site.paths, 'web')).toBe(false);
      }
    }));

  it('of an older shape is replaced', () =>
    withFirewalls(async (site, put) => {
      const table = firewallTableName(site.paths);
      await put('web', plan());
      output('nft', 'delete', 'chain', 'inet', table, 'shape-2');
      output('nft', 'add', 'chain', 'inet', table, 'stranger');
      await put('db', plan());
      expect(list(site).join()).not.toContain('stranger');
      expect(list(site).join()).toContain('chain app-web');
    }));

  it('loses one app’s part without a change of the others', () =>
    withFirewalls(async (site, put) => {
      await put('web', plan(tcp('10.0.0.1', 1)));
      const alone = list(site);
      await put('db', plan(tcp('10.0.0.2', 2)));
      await removeFirewall(site.paths, 'db');
      expect(list(site)).toEqual(alone);
    }));
});
