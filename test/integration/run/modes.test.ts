import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeProbeApp, makeProbeScratch, type ProbeApp } from '../../helpers/probe-app.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let remove: () => Promise<void>;
let lab: Lab;

beforeEach(async () => {
  lab = await makeLab();
  ({ scratch, remove } = makeProbeScratch());
});
afterEach(async () => {
  await remove();
  lab.close();
});

const metactl = async (app: ProbeApp, ...words: string[]) => (await runMetactl(words, { root: app.root })).stdout;
const links = () => Object.keys(networkInterfaces());

describe('[sandbox.net] mode', () => {
  it('host: the network of the host, which is told wherever the app is shown', async () => {
    const app = makeProbeApp(scratch, 'shop', { mode: 'routed', node: '[sandbox.net]\nmode = host\n' });
    expect(await metactl(app, 'plan', 'shop')).toContain('network      host: NOT ISOLATED, the network of this host\n');
    await app.start();
    const report = await app.report(['network']);
    expect(report.links).toEqual(expect.arrayContaining(['lo', lab.uplink]));
    const ip = await runMetactl(['ip', 'shop'], { root: app.root });
    const own = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
    expect(own).toContain(ip.stdout.split('\n')[0]);
    expect(ip.stderr).toBe('metactl: shop is not isolated: it is in the network of this host\n');
    expect(JSON.parse(await metactl(app, 'ip', 'shop', '--json'))).toMatchObject({ app: 'shop', network: 'host' });
    expect(JSON.parse(await metactl(app, 'ps', 'shop', '--json'))[0]).toMatchObject({ network: 'host' });
    expect(await metactl(app, 'ps', 'shop')).toMatch(/^DAEMON +NETWORK +PID[\s\S]*\nmain +host! /);
    // Nothing was made, and nothing of the host changed.
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain('shop');
    expect(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' })).not.toContain('metactl');
  });

  it('none: loopback of both families and nothing else', async () => {
    const app = makeProbeApp(scratch, 'shop', { mode: 'none' });
    await app.start();
    const report = await app.report(['network']);
    expect(report.links).toEqual(['lo']);
    expect(report.addresses.map(({ address }) => address).sort()).toEqual(['127.0.0.1', '::1']);
    const ip = await runMetactl(['ip', 'shop'], { root: app.root });
    expect(ip).toMatchObject({ status: 1, stderr: expect.stringContaining('metactl: shop has no address\n') });
  });

  it('nat without a pool, and published ports, as the plan says', async () => {
    scratch.metactlConf(`[network]\nuplink = ${lab.uplink}\n`);
    const app = makeProbeApp(scratch, 'shop', { mode: 'routed', node: '[sandbox.net]\npublish = 8080:80 53:53/udp\n' });
    const plan = await metactl(app, 'plan', 'shop');
    expect(plan).toContain("network      nat: IPv4 leaves with the host's address\n");
    expect(plan).toContain('network      publish 8080:80\n');
    expect(plan).toContain('network      publish 53:53/udp\n');
    expect(plan).toContain(`sysctl       net/ipv4/conf/${lab.uplink}/forwarding 0 -> 1, until the last app leaves\n`);
    await app.start();
    expect((await metactl(app, 'ip', 'shop')).trim()).toMatch(/^100\.64\.\d+\.\d+$/);
    expect(JSON.parse(await metactl(app, 'ps', 'shop', '--json'))[0]).toMatchObject({ network: 'nat' });
    expect(links()).toContain(lab.uplink);
  });

  it('with an IPv6 pool gives an address of each family', async () => {
    scratch.metactlConf(`[network]\npool = ${lab.pool} ${lab.pool6}\nuplink = ${lab.uplink}\n`);
    const app = makeProbeApp(scratch, 'shop', { mode: 'routed' });
    await app.start();
    const [four, six, ...more] = (await metactl(app, 'ip', 'shop')).trim().split('\n');
    expect([four, six, more]).toEqual([
      expect.stringMatching(/^198\.18\.76\.\d+$/),
      expect.stringMatching(/^2001:db8:76::1:[0-9a-f]+$/),
      [],
    ]);
    const report = await app.report(['files', 'network']);
    expect(report.files['/etc/hosts']).toContain(`${four} shop\n${six} shop\n`);
    expect(report.addresses).toContainEqual({ link: 'veth0', family: 'inet6', address: six, prefix: 128, up: 1 });
    expect(await metactl(app, 'plan', 'shop')).toContain(`${four}/32 and ${six}/128 on veth0`);
  });
});
