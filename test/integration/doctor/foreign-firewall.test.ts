import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/host/finding.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch } from '../../helpers/scratch.ts';

leakCheck();

/** A router with the firewall, between one that stands for an app and one that stands for another server. */
const ROUTER = 'mtest-fw';
const APP = 'mtest-fw-app';
const OTHER = 'mtest-fw-other';
const FIXTURES = join(REPOSITORY, 'test/fixtures/firewall');

const ip = (...words: string[]) => execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
const inside = (netns: string, file: string, args: readonly string[], input = '') =>
  execFileSync('ip', ['netns', 'exec', netns, file, ...args], { input, stdio: ['pipe', 'pipe', 'pipe'] });

function removeAll(): void {
  for (const netns of [ROUTER, APP, OTHER]) spawnSync('ip', ['netns', 'delete', netns], { stdio: 'ignore' });
}

function makeAll(): void {
  removeAll();
  for (const netns of [ROUTER, APP, OTHER]) ip('netns', 'add', netns);
  const ends = [
    { link: 'mt-0', far: APP, net: '198.18.78' },
    { link: 'eth0', far: OTHER, net: '198.18.79' },
  ];
  for (const { link, far, net } of ends) {
    ip('-n', ROUTER, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'up0', 'netns', far);
    ip('-n', ROUTER, 'link', 'set', link, 'addrgenmode', 'none');
    ip('-n', far, 'link', 'set', 'up0', 'addrgenmode', 'none');
    ip('-n', ROUTER, 'addr', 'add', `${net}.1/24`, 'dev', link);
    ip('-n', far, 'addr', 'add', `${net}.2/24`, 'dev', 'up0');
    ip('-n', ROUTER, 'link', 'set', link, 'up');
    ip('-n', far, 'link', 'set', 'up0', 'up');
    ip('-n', far, 'route', 'add', 'default', 'via', `${net}.1`);
  }
  // The device of its default route is the uplink.
  ip('-n', ROUTER, 'route', 'add', 'default', 'via', '198.18.79.2');
  inside(ROUTER, 'sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
}

/** Whether a connection from the app's place gets an answer of any kind: nobody listens, so a refusal is one. */
function connects(): boolean {
  const script = `
const socket = require('node:net').connect({ host: '198.18.79.2', port: 9 });
const end = (word) => { console.log(word); process.exit(); };
socket.on('error', (error) => end(error.code));
setTimeout(() => end('silence'), 700);`;
  return inside(APP, process.execPath, ['-e', script]).toString().trim() === 'ECONNREFUSED';
}

function load(fixture: string, legacy = false): void {
  const text = readFileSync(join(FIXTURES, fixture), 'utf8');
  if (fixture.endsWith('.nft')) inside(ROUTER, 'nft', ['-f', '-'], text);
  else inside(ROUTER, legacy ? 'iptables-legacy-restore' : 'iptables-nft-restore', [], text);
}

/** What `metactl doctor` says about the router's rules. */
function firewalls(root = '/nonexistent'): Finding[] {
  const { stdout } = spawnSync(
    'ip',
    ['netns', 'exec', ROUTER, process.execPath, join(REPOSITORY, 'bin/metactl.cjs'), 'doctor', '--json'],
    { encoding: 'utf8', env: { ...process.env, METACTL_ROOT: root } },
  );
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  // Those for packets to the router itself are a test of their own.
  return findings.filter(({ name }) => /firewall/.test(name) && !/(_|\b)(INPUT|input)$/.test(name));
}

beforeAll(async () => {
  // Brings the bundle up to date.
  await runMetactl(['--version']);
});
beforeEach(makeAll);
afterEach(removeAll);

describe('foreign firewalls', () => {
  it('there are none', () => {
    expect(firewalls()).toMatchObject([{ name: 'other firewalls', state: 'ok' }]);
    expect(connects()).toBe(true);
  });

  it('are not metactl’s own tables', () => {
    const tables = [
      'metactl',
      'metactl-850f',
      'metactl-nat',
      'metactl-850f-nat',
      'metactl-out',
      'metactl-850f-out',
    ].map(
      (name) => `table inet ${name} { chain forward { type filter hook forward priority 0; iifname "mt-1" drop; }; }\n`,
    );
    inside(ROUTER, 'nft', ['-f', '-'], tables.join(''));
    expect(firewalls()).toMatchObject([{ name: 'other firewalls', state: 'ok' }]);
  });

  it.each([
    ['docker.rules', "Docker's firewall (ip filter, chain FORWARD) drops connections of apps to other machines"],
    ['docker-28.rules', "Docker's firewall (ip filter, chain FORWARD) drops connections of apps to other machines"],
    ['ufw.rules', 'ufw (ip filter, chain FORWARD) drops connections of apps to other machines'],
    [
      'firewalld-0.9.nft',
      'firewalld (inet firewalld, chain filter_FORWARD) drops connections of apps to other machines',
    ],
    ['plain.nft', 'the nftables firewall (inet router, chain forward) may drop connections of apps to other machines'],
  ])('%s', (fixture, meaning) => {
    load(fixture);
    expect(connects(), 'what the kernel does').toBe(false);
    expect(firewalls()).toMatchObject([{ state: 'warning', meaning }]);
  });

  it.each(['docker.rules', 'docker-28.rules', 'plain.nft', 'forward-drop.rules'])(
    'the commands told for %s help',
    (fixture) => {
      load(fixture);
      const [before] = firewalls();
      for (const command of before!.mend!.split(' && ')) {
        const [file = '', ...words] = command.replaceAll("'", '').split(' ');
        inside(ROUTER, file === 'iptables' ? 'iptables-nft' : file, words);
      }
      expect(connects()).toBe(true);
      expect(firewalls()).toMatchObject([{ name: before!.name, state: 'ok' }]);
    },
  );

  it.each([
    ['ufw-route.rules', 'ufw: it lets the packets of apps pass'],
    ['firewalld.nft', 'firewalld: it lets the packets of apps pass'],
  ])('%s lets them pass', (fixture, meaning) => {
    load(fixture);
    expect(connects(), 'what the kernel does').toBe(true);
    expect(firewalls()).toMatchObject([{ state: 'ok', meaning }]);
  });

  it.each(['docker.rules', 'docker-28.rules', 'ufw.rules', 'forward-drop.rules'])(
    '%s of iptables-legacy',
    (fixture) => {
      load(fixture, true);
      expect(connects(), 'what the kernel does').toBe(false);
      const [found] = firewalls();
      expect(found).toMatchObject({ name: 'firewall legacy ip filter FORWARD', state: 'warning' });
      expect(found!.meaning).toMatch(/\(iptables-legacy, ip filter, chain FORWARD\) drops connections of apps/);
      // There is no ufw inside that would carry out its own command.
      if (fixture === 'ufw.rules') return;
      for (const command of found!.mend!.split(' && ')) {
        const [file = '', ...words] = command.split(' ');
        inside(ROUTER, file, words);
      }
      expect(connects()).toBe(true);
      expect(firewalls()).toMatchObject([{ name: found!.name, state: 'ok' }]);
    },
  );

  it.each([
    ['ip6tables-nft', 'firewall ip6 filter FORWARD', 'ip6tables '],
    ['ip6tables-legacy', 'firewall legacy ip6 filter FORWARD', 'ip6tables-legacy '],
  ])('of IPv6 only are found where the pool has IPv6: %s', (tool, name, mend) => {
    inside(ROUTER, tool, ['-P', 'FORWARD', 'DROP']);
    expect(firewalls().filter(({ state }) => state !== 'ok')).toEqual([]);
    const scratch = makeScratch();
    try {
      scratch.metactlConf('[network]\npool = 198.18.80.0/24 2001:db8:80::/64\nuplink = eth0\n');
      const [found] = firewalls(scratch.root).filter(({ state }) => state !== 'ok');
      expect(found).toMatchObject({ name, state: 'warning' });
      expect(found!.meaning).toMatch(/drops connections of apps to other machines and connections from other machines/);
      expect(found!.mend).toContain(`${mend}-I FORWARD -o mt-+ -j ACCEPT`);
    } finally {
      scratch.remove();
    }
  });

  it.each([
    [
      'before routing',
      'ip raw { chain PREROUTING { type filter hook prerouting priority -300; policy drop; }; }',
      { name: 'firewall ip raw PREROUTING', state: 'warning', mend: 'nft list chain ip raw PREROUTING' },
      'the nftables firewall (ip raw, chain PREROUTING) drops connections of apps to other machines',
    ],
    [
      'after routing',
      'inet t { chain post { type filter hook postrouting priority 0; iifname "mt-*" drop; }; }',
      { name: 'firewall inet t post', state: 'warning', mend: 'nft list chain inet t post' },
      'the nftables firewall (inet t, chain post) drops connections of apps to other machines',
    ],
  ])('%s are found too', (_, table, finding, meaning) => {
    inside(ROUTER, 'nft', ['-f', '-'], `table ${table}\n`);
    expect(connects(), 'what the kernel does').toBe(false);
    expect(firewalls()).toMatchObject([{ name: 'other firewalls' }, { ...finding, meaning }]);
  });

  it('that only keep forged addresses out before routing are nothing to tell', () => {
    const rule = 'ip saddr 10.0.0.0/8 drop; fib saddr . iif oif missing drop;';
    const chain = `chain pre { type filter hook prerouting priority -300; ${rule} }`;
    inside(ROUTER, 'nft', ['-f', '-'], `table ip raw { ${chain}; }\n`);
    expect(connects(), 'what the kernel does').toBe(true);
    expect(firewalls()).toMatchObject([{ name: 'other firewalls', state: 'ok' }]);
  });

  it('for packets to this host itself, and at devices, are told as what they are', () => {
    const input =
      'table inet host { chain in { type filter hook input priority 0; policy drop; iifname "lo" accept; }; }\n';
    const device = 'table netdev edge { chain in { type filter hook ingress device eth0 priority 0; }; }\n';
    inside(ROUTER, 'nft', ['-f', '-'], input + device);
    expect(connects(), 'what the kernel does').toBe(true);
    expect(firewalls()).toMatchObject([
      { name: 'other firewalls', state: 'ok' },
      {
        name: 'firewall inet host in',
        state: 'ok',
        meaning: expect.stringMatching(/^the nftables firewall drops connections of apps to this host itself/),
      },
      {
        name: 'firewall netdev edge',
        state: 'ok',
        meaning: expect.stringMatching(/^rules of edge at the ingress or egress of devices are not followed/),
      },
    ]);
  });

  it('are in the way of published ports too', () => {
    load('docker.rules');
    const scratch = makeScratch();
    try {
      const directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\n' });
      scratch.node(
        'shop',
        `[app]\ndirectory = ${directory}\n[sandbox.net]\npublish = 8080:80\n[daemon.main]\ncommand = ./main.sh\n`,
      );
      expect(firewalls(scratch.root)).toMatchObject([
        {
          meaning:
            "Docker's firewall (ip filter, chain FORWARD) drops connections of apps to other machines and connections from other machines to apps",
        },
      ]);
    } finally {
      scratch.remove();
    }
  });

  it('does not load the tables of iptables-legacy by looking', () => {
    firewalls();
    expect(inside(ROUTER, 'cat', ['/proc/net/ip_tables_names']).toString()).toBe('');
  });

  it.each([
    {
      publish: '',
      drops: 'connections of apps to other machines',
      mend: '-o mt-+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    },
    {
      publish: '[sandbox.net]\npublish = 8080:80\n',
      drops: 'connections of apps to other machines and connections from other machines to apps',
      mend: '-o mt-+ -j ACCEPT',
    },
  ])('is told by run, once the app runs, with what to do: $mend', async ({ publish, drops, mend }) => {
    load('docker.rules');
    const scratch = makeScratch();
    const directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\necho up\nexec sleep 1000\n' });
    scratch.node('shop', `[app]\ndirectory = ${directory}\n${publish}[daemon.main]\ncommand = ./main.sh\n`);
    // The router is metactl's host: only its network differs from this machine's.
    const child = spawn(
      'nsenter',
      [`--net=/run/netns/${ROUTER}`, process.execPath, join(REPOSITORY, 'bin/metactl.cjs'), 'run', 'shop'],
      { env: { ...process.env, METACTL_ROOT: scratch.root }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const ended = new Promise((resolve) => child.once('close', resolve));
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    try {
      await expect.poll(() => told, { timeout: 10_000 }).toMatch(/\n/);
      expect(told).toBe(
        `metactl: warning: shop runs, but Docker's firewall (ip filter, chain FORWARD) drops ${drops}. To let them pass: ` +
          `iptables -I DOCKER-USER -i mt-+ -j ACCEPT && iptables -I DOCKER-USER ${mend}\n`,
      );
      const why = await runMetactl(['why', 'shop'], {
        root: scratch.root,
        via: ['nsenter', `--net=/run/netns/${ROUTER}`],
      });
      expect(why.status).toBe(1);
      expect(why.stdout).toContain(
        `warning: shop runs, but Docker's firewall (ip filter, chain FORWARD) drops ${drops}\n  do: to let them pass: iptables -I`,
      );
    } finally {
      child.kill('SIGTERM');
      await ended;
      scratch.remove();
    }
  });
});
