import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, outputIn, Program, type Site, TCP_CLIENT, TCP_SERVER, withSite } from './site.ts';

leakCheck();

const WEB = '198.18.76.160';
const DB = '198.18.76.161';
const DB6 = 'fd00:77::161';

/**
 * Sends frames on veth0 that claim ADDRESS and ADDRESS6 for its own hardware address: ARP as announcement, answer and
 * question (to all, and to the host end), and neighbour advertisements with the override flag (RFC 4861).
 */
const CLAIMER = `
import socket, struct, sys
address, address6, host = sys.argv[1:4]
mac = bytes.fromhex(open('/sys/class/net/veth0/address').read().strip().replace(':', ''))
peer = bytes.fromhex(sys.argv[4].replace(':', ''))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('veth0', 0))
own, target = socket.inet_aton(address), socket.inet_aton(host)
for to in (b'\\xff' * 6, peer):
    for operation, dst in ((1, own), (2, own), (1, target), (2, target)):
        arp = struct.pack('!HHBBH', 1, 0x800, 6, 4, operation) + mac + own + peer + dst
        s.send(to + mac + b'\\x08\\x06' + arp)
own6 = socket.inet_pton(socket.AF_INET6, address6)
for to, dst in ((b'\\x33\\x33\\x00\\x00\\x00\\x01', 'ff02::1'), (peer, 'fd00:77::1')):
    dst6 = socket.inet_pton(socket.AF_INET6, dst)
    body = struct.pack('!BBHI', 136, 0, 0, 0x20000000) + own6 + b'\\x02\\x01' + mac
    pseudo = own6 + dst6 + struct.pack('!II', len(body), 58)
    data = pseudo + body
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    body = body[:2] + struct.pack('!H', ~total & 0xffff) + body[4:]
    s.send(to + mac + b'\\x86\\xdd' + struct.pack('!IHBB', 0x60000000, len(body), 58, 255) + own6 + dst6 + body)
`;

function claim(site: Site, netns: string, hostLink: string): void {
  const [{ address }] = JSON.parse(output('ip', '-j', 'link', 'show', hostLink));
  const script = ['python3', '-c', CLAIMER, DB, DB6, site.lab.hostAddress, address];
  execFileSync('ip', ['netns', 'exec', netns, ...script], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Gives an app an IPv6 address on its link and the host one of that network. */
function addIpv6(netns: string, hostLink: string, inside: string, host: string): void {
  output('ip', 'addr', 'add', `${host}/128`, 'dev', hostLink, 'nodad');
  output('ip', 'route', 'add', `${inside}/128`, 'dev', hostLink);
  outputIn(netns, 'sysctl', '-qw', 'net.ipv6.conf.veth0.disable_ipv6=0');
  outputIn(netns, 'ip', 'addr', 'add', `${inside}/128`, 'dev', 'veth0', 'nodad');
  outputIn(netns, 'ip', 'route', 'add', `${host}/128`, 'dev', 'veth0');
}

async function answers(netns: string | undefined, address: string): Promise<string> {
  const client = new Program(netns, TCP_CLIENT, address, '80');
  try {
    await client.line(1);
    return await client.line(2);
  } finally {
    await client.end();
  }
}

/** The hardware address that the host, and the other server, have for an address; by link. */
const neighbours = (address: string) => output('ip', 'neigh', 'show', address).trim();

describe('an app that claims another app’s address by ARP and neighbour advertisements', () => {
  it('changes nothing for the host, for other apps and for the network', () =>
    withSite(async (site) => {
      const web = await site.make('web', WEB);
      const db = await site.make('db', DB);
      addIpv6(db.netns, db.hostLink, DB6, 'fd00:77::1');
      addIpv6(web.netns, web.hostLink, 'fd00:77::160', 'fd00:77::2');
      const server = new Program(db.netns, TCP_SERVER.replace('0.0.0.0', '::'));
      try {
        await server.line(1);
        const everybody = async () => [
          await answers(undefined, DB),
          await answers(undefined, DB6),
          await answers(web.netns, DB),
          await answers(site.lab.otherNetns, DB),
        ];
        const fromDb = Array(4).fill('hello from inside');
        expect(await everybody()).toEqual(fromDb);
        const before = [output('ip', 'route', 'show', DB), output('ip', 'neigh', 'show', 'proxy')];
        claim(site, web.netns, web.hostLink);
        expect(neighbours(DB)).not.toContain(web.hostLink);
        expect(neighbours(DB6)).not.toContain(web.hostLink);
        const [{ address: mac }] = JSON.parse(outputIn(web.netns, 'ip', '-j', 'link', 'show', 'veth0'));
        for (const netns of [site.lab.otherNetns, db.netns]) expect(outputIn(netns, 'ip', 'neigh')).not.toContain(mac);
        expect([output('ip', 'route', 'show', DB), output('ip', 'neigh', 'show', 'proxy')]).toEqual(before);
        expect(await everybody()).toEqual(fromDb);
      } finally {
        await server.end();
      }
    }));

  it('would change the host’s mind on a link that both share: this test’s frames are good', () =>
    withSite(async (site) => {
      const { netns, hostLink } = await site.make('web', WEB);
      addIpv6(netns, hostLink, 'fd00:77::160', 'fd00:77::2');
      output('ip', 'neigh', 'add', DB, 'lladdr', '02:00:00:00:00:09', 'dev', hostLink, 'nud', 'stale');
      output('ip', 'neigh', 'add', DB6, 'lladdr', '02:00:00:00:00:09', 'dev', hostLink, 'nud', 'stale');
      // Its source must be one that the link leads to.
      output('ip', 'route', 'add', DB, 'dev', hostLink);
      output('ip', 'route', 'add', `${DB6}/128`, 'dev', hostLink);
      claim(site, netns, hostLink);
      const [{ address: mac }] = JSON.parse(outputIn(netns, 'ip', '-j', 'link', 'show', 'veth0'));
      expect(neighbours(DB)).toContain(mac);
      expect(neighbours(DB6)).toContain(mac);
    }));
});
