import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, outputIn, Program, type Site, UDP_ECHO, withSite } from './site.ts';

leakCheck();

const ADDRESS = '198.18.76.140';
const FORGED = '198.18.76.141';

/** Sends three datagrams from SOURCE to ADDRESS port 7, then says `sent`. */
const SENDER = `
const [source, address] = process.argv.slice(1);
const socket = require('node:dgram').createSocket('udp4');
socket.bind(0, source, async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => socket.send('x', 7, address, resolve));
  console.log('sent');
});`;

/** The sources that the other server sees of what the app sends as itself and as somebody else. */
async function sourcesSeen(site: Site, netns: string): Promise<Set<string>> {
  const { otherNetns, otherAddress } = site.lab;
  const server = new Program(otherNetns, UDP_ECHO);
  const senders: Program[] = [];
  try {
    await server.line(1);
    // The forged ones first: once the honest ones are there, the forged ones would be.
    for (const source of [FORGED, ADDRESS]) {
      const sender = new Program(netns, SENDER, source, otherAddress);
      senders.push(sender);
      await sender.line(1);
    }
    await expect.poll(() => server.lines.filter((line) => line === ADDRESS).length, { timeout: 5_000 }).toBe(3);
    return new Set(server.lines.slice(1));
  } finally {
    for (const program of [server, ...senders]) await program.end();
  }
}

/** Gives the app a second address, as if it had the right to, and the way to the other server without asking ARP. */
async function makeForger(site: Site): Promise<{ netns: string; hostLink: string }> {
  const { netns, hostLink } = await site.make('web', ADDRESS);
  outputIn(netns, 'ip', 'addr', 'add', `${FORGED}/32`, 'dev', 'veth0');
  const [{ address: mac }] = JSON.parse(output('ip', '-j', 'link', 'show', hostLink));
  outputIn(netns, 'ip', 'neigh', 'add', site.lab.otherAddress, 'lladdr', mac, 'dev', 'veth0', 'nud', 'permanent');
  return { netns, hostLink };
}

describe('a forged source address', () => {
  it('does not leave', async () => {
    await withSite(async (site) => {
      const { netns } = await makeForger(site);
      expect(await sourcesSeen(site, netns)).toEqual(new Set([ADDRESS]));
    });
  });

  it('is stopped by the reverse path filter alone', async () => {
    await withSite(async (site) => {
      const { netns } = await makeForger(site);
      output('nft', 'flush', 'chain', 'inet', `metactl-${site.paths.nodeId}`, 'anti-spoof');
      expect(await sourcesSeen(site, netns)).toEqual(new Set([ADDRESS]));
    });
  });

  it('is stopped by the nft rule alone', async () => {
    await withSite(async (site) => {
      const { netns, hostLink } = await makeForger(site);
      output('sysctl', '-q', '-w', `net.ipv4.conf.${hostLink}.rp_filter=0`);
      expect(await sourcesSeen(site, netns)).toEqual(new Set([ADDRESS]));
    });
  });

  it('would leave without both: these tests can fail', async () => {
    await withSite(async (site) => {
      const { netns, hostLink } = await makeForger(site);
      const own = `table inet metactl-${site.paths.nodeId}`;
      const tables = output('nft', 'list', 'tables', 'inet').trim().split('\n');
      // The rule holds for every `mt-…` link, whichever root loaded it.
      expect(tables.filter((table) => table.startsWith('table inet metactl') && table !== own)).toEqual([]);
      output('sysctl', '-q', '-w', `net.ipv4.conf.${hostLink}.rp_filter=0`);
      output('nft', 'flush', 'chain', 'inet', `metactl-${site.paths.nodeId}`, 'anti-spoof');
      expect(await sourcesSeen(site, netns)).toEqual(new Set([ADDRESS, FORGED]));
    });
  });
});

describe('an uplink whose forwarding was switched on', () => {
  /** A third network behind the host, which must not become reachable by it. */
  const THIRD = '198.18.77.2';

  async function withThird(work: () => Promise<void>): Promise<void> {
    try {
      output('ip', 'netns', 'add', 'mtest-third');
      output('ip', 'link', 'add', 'mtest3', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'mtest-third');
      output('ip', 'addr', 'add', '198.18.77.1/24', 'dev', 'mtest3');
      output('ip', 'link', 'set', 'mtest3', 'up');
      for (const words of [
        ['addr', 'add', `${THIRD}/24`, 'dev', 'eth0'],
        ['link', 'set', 'eth0', 'up'],
      ]) {
        output('ip', '-n', 'mtest-third', ...words);
      }
      output('ip', '-n', 'mtest-third', 'route', 'add', 'default', 'via', '198.18.77.1');
      await work();
    } finally {
      for (const words of [
        ['link', 'delete', 'mtest3'],
        ['netns', 'delete', 'mtest-third'],
      ])
        output('ip', ...words);
    }
  }

  /** Whether a datagram of the other server gets to the third network. */
  async function isForwarded(site: Site): Promise<boolean> {
    const server = new Program('mtest-third', UDP_ECHO);
    const sender: Program[] = [];
    try {
      await server.line(1);
      sender.push(new Program(site.lab.otherNetns, SENDER, site.lab.otherAddress, THIRD));
      await sender[0]!.line(1);
      return await server.line(2, 1_000).then(
        () => true,
        () => false,
      );
    } finally {
      for (const program of [server, ...sender]) await program.end();
    }
  }

  it('forwards to apps only', async () => {
    await withSite(async (site) => {
      await withThird(async () => {
        await site.make('web', ADDRESS);
        output('ip', '-n', site.lab.otherNetns, 'route', 'add', '198.18.77.0/24', 'via', site.lab.hostAddress);
        expect(await isForwarded(site)).toBe(false);
        output('nft', 'flush', 'chain', 'inet', `metactl-${site.paths.nodeId}`, 'forward');
        expect(await isForwarded(site), 'without the rule').toBe(true);
      });
    });
  });
});
