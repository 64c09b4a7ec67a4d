import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../../src/host/linux/gc.ts';
import { parsePublish } from '../../../src/util/publish.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { attempt, firstConnection, makeNat, meet } from './connect.ts';
import { output, Program, type Site, UDP_ECHO, withSite } from './site.ts';

leakCheck();

const ports = (...words: string[]) => ({ publish: words.map((word) => parsePublish(word)!) });
const natTable = (site: Site) => `metactl-${site.paths.nodeId}-nat`;

/** Sends a datagram; says the answer. */
const UDP_ASK = `
const [address, port] = process.argv.slice(1);
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (message) => { console.log(String(message)); socket.close(); });
socket.send('ping', Number(port), address);`;

/** Sends a TCP packet to 127.0.0.1 on the wire, which no honest kernel does: by giving 127.0.0.1 away first. */
function letLoopbackOut(netns: string, via: string, device: string): void {
  output('ip', '-n', netns, 'addr', 'del', '127.0.0.1/8', 'dev', 'lo');
  output('ip', '-n', netns, 'route', 'add', '127.0.0.1/32', 'via', via, 'dev', device, 'onlink');
  output('ip', 'netns', 'exec', netns, 'sysctl', '-qw', `net.ipv4.conf.${device}.route_localnet=1`);
}

describe('a published port', () => {
  for (const mode of ['nat', 'routed'] as const) {
    it(`leads to the app from everywhere: ${mode}`, async () => {
      await withSite(async (site) => {
        const change = ports('8080:80');
        const web =
          mode === 'nat'
            ? await makeNat(site, 'web', 5, change)
            : await site.make('web', '198.18.76.140', site.node(), change);
        const client = await makeNat(site, 'client', 6);
        const { otherNetns, otherAddress, hostAddress } = site.lab;
        const out = await firstConnection(site, web.netns, 'published', web.netns, otherNetns, hostAddress, 8080);
        expect(out).toMatchObject({ answer: 'hello from inside', peer: otherAddress });
        expect(out.took).toBeLessThanOrEqual(5);
        expect((await meet(web.netns, undefined, hostAddress, 8080)).peer, 'host').toBe(hostAddress);
        expect((await meet(web.netns, undefined, '127.0.0.1', 8080)).answer, 'loopback').toBe('hello from inside');
        expect((await meet(web.netns, client.netns, hostAddress, 8080)).peer, 'app').toBe(client.address);
        expect((await meet(web.netns, web.netns, hostAddress, 8080)).answer, 'hairpin').toBe('hello from inside');
        // Ports that nobody publishes are the host's.
        expect(await attempt(otherNetns, hostAddress, 8081)).toBe('ECONNREFUSED');
        await site.remove('web');
        expect(await attempt(undefined, hostAddress, 8080)).toBe('ECONNREFUSED');
        expect(output('nft', 'list', 'table', 'inet', natTable(site))).not.toContain('8080');
      });
    });
  }

  it('may be of UDP, and of one address of the host only', async () => {
    await withSite(async (site) => {
      const { hostAddress, otherNetns } = site.lab;
      const web = await makeNat(site, 'web', 5, ports('7007:7/udp', '127.0.0.1:8080:80', `${hostAddress}:8081:80`));
      const programs = [new Program(web.netns, UDP_ECHO)];
      try {
        await programs[0]!.line(1);
        programs.push(new Program(otherNetns, UDP_ASK, hostAddress, '7007'));
        expect(await programs[1]!.line(1)).toBe('ping');
      } finally {
        for (const program of programs) await program.end();
      }
      expect((await meet(web.netns, undefined, '127.0.0.1', 8080)).answer).toBe('hello from inside');
      expect((await meet(web.netns, otherNetns, hostAddress, 8081)).answer).toBe('hello from inside');
      expect(await attempt(otherNetns, hostAddress, 8080)).toBe('ECONNREFUSED');
      expect(await attempt(undefined, '127.0.0.1', 8081)).toBe('ECONNREFUSED');
    });
  });

  it('of the loopback address opens nothing to the network, nor the host’s services to the app (CVE-2020-8558)', async () => {
    await withSite(async (site) => {
      const web = await makeNat(site, 'web', 5, ports('127.0.0.1:8080:80'));
      const { otherNetns, hostAddress } = site.lab;
      letLoopbackOut(otherNetns, hostAddress, 'eth0');
      letLoopbackOut(web.netns, hostAddress, 'veth0');
      const service = createServer((socket) => socket.end('secret'));
      await new Promise<void>((resolve) => service.listen(8099, '127.0.0.1', resolve));
      try {
        await expect(meet(web.netns, otherNetns, '127.0.0.1', 8080)).rejects.toThrow('line 2 did not come');
        expect(await attempt(web.netns, '127.0.0.1', 8099)).toBe('no answer');
        output('nft', 'flush', 'chain', 'inet', natTable(site), 'forged-loopback');
        expect(await attempt(web.netns, '127.0.0.1', 8099), 'without the rule').toBe('secret');
        expect((await meet(web.netns, otherNetns, '127.0.0.1', 8080)).answer, 'without').toBe('hello from inside');
      } finally {
        await new Promise((resolve) => service.close(resolve));
      }
    });
  });
});

describe('a port that is taken', () => {
  it('by another app, of whatever root, stops the start before anything is made', async () => {
    await withSite(async (site, other) => {
      await makeNat(site, 'web', 5, ports('8080:80'));
      await expect(makeNat(site, 'shop', 6, ports('8080:81'))).rejects.toMatchObject({
        code: 'METACTL_PORT_IN_USE',
        message: "shop can't publish 8080:81: the app web publishes it",
        exitStatus: 78,
      });
      await expect(makeNat(other, 'web', 7, ports('127.0.0.1:8080:80'))).rejects.toMatchObject({
        message: `web can't publish 127.0.0.1:8080:80: the app web of another root, whose objects are named metactl-${site.paths.nodeId}-…, publishes it`,
        hint: 'publish another port, or stop the other web (metactl with METACTL_ROOT set to it); there, `metactl gc` frees what a killed supervisor left',
      });
      // Nothing of theirs stays, and the first app has what it had.
      expect(output('ip', 'netns', 'list')).not.toContain('shop');
      await makeNat(other, 'web', 7, ports('8081:80', '8080:80/udp'));
      const { hostAddress } = site.lab;
      expect((await meet(`metactl-${site.paths.nodeId}-web`, undefined, hostAddress, 8080)).answer).toMatch('hello');
      expect((await meet(`metactl-${other.paths.nodeId}-web`, undefined, hostAddress, 8081)).answer).toMatch('hello');
    });
  });

  it('by a program of the host names it', async () => {
    await withSite(async (site) => {
      const service = createServer();
      await new Promise<void>((resolve) => service.listen(8098, '0.0.0.0', resolve));
      try {
        await expect(makeNat(site, 'web', 5, ports('8098:80'))).rejects.toMatchObject({
          message: expect.stringMatching(
            new RegExp(`^web can't publish 8098:80: .+ \\(pid ${process.pid}\\) listens on it$`),
          ),
        });
        // Not in the way: another protocol.
        await makeNat(site, 'web', 5, ports('8098:80/udp'));
      } finally {
        await new Promise((resolve) => service.close(resolve));
      }
    });
  });

  it('is given back by gc', async () => {
    await withSite(async (site, other) => {
      await makeNat(site, 'web', 5, ports('8080:80'));
      const keeper = await makeNat(site, 'keeper', 6, ports('8082:80'));
      await collectGarbage(site.paths);
      await makeNat(other, 'web', 7, ports('8080:80'));
      expect(output('nft', 'list', 'tables')).not.toContain(natTable(site));
      expect(keeper.publish).toHaveLength(1);
    });
  });
});
