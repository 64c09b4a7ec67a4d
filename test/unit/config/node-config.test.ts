import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { loadNode } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/messages.ts';
import { inspectNode } from '../../../src/config/node-config.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { put, scratchRoot, shorten } from './root.ts';

function problems(text: string): string[] {
  const root = scratchRoot();
  put(root, 'etc/metactl/metactl.conf', text);
  return inspectNode(pathsFor(root)).problems.map((problem) => shorten(formatProblem(problem), root));
}

it('has defaults without a file', () =>
  expect(loadNode(pathsFor(scratchRoot()))).toEqual({
    name: hostname(),
    site: 'default',
    uidRange: [70000, 99999],
    subuidRange: [524288, 1879048191],
    serviceManager: 'auto',
    pool: [],
    poolOrigin: undefined,
    uplink: undefined,
  }));

it('reads metactl.conf', () => {
  const root = scratchRoot();
  const file = put(
    root,
    'etc/metactl/metactl.conf',
    '[node]\nname = n1.example.org\nsite = devel\nuid-range = 1000-1999\nsubuid-range = 100000-999999\nservice-manager = systemd\n' +
      '[network]\npool = 10.4.0.0/16 192.168.7.*\nuplink = eth0.100\n[dns]\nlater = yes\n[fleet]\n[balancer]\n',
  );
  expect(loadNode(pathsFor(root))).toEqual({
    name: 'n1.example.org',
    site: 'devel',
    uidRange: [1000, 1999],
    subuidRange: [100_000, 999_999],
    serviceManager: 'systemd',
    pool: ['10.4.0.0/16', '192.168.7.*'],
    poolOrigin: { layer: 'node', file, line: 8, column: 8 },
    uplink: 'eth0.100',
  });
});

describe('problems', () => {
  const at = '/etc/metactl/metactl.conf';
  it.each([
    [
      '[nod]\nname = x\n',
      `${at}:1:2: found the section \`[nod]\`, expected one of [node] [network] [dns] [fleet] [balancer]; did you mean \`[node]\`?`,
    ],
    [
      '[env]\nA = x\n',
      `${at}:1:2: found the section \`[env]\`, expected one of [node] [network] [dns] [fleet] [balancer]`,
    ],
    ['[network]\npol = x\n', `${at}:2:1: found the key \`pol\`, expected a key of [network]; did you mean \`pool\`?`],
    ['[node]\nname = a b\n', `${at}:2:8: found \`a b\`, expected a host name`],
    ['[node]\nname = ../x\n', `${at}:2:8: found \`../x\`, expected a host name`],
    ['[node]\nuid-range = 5\n', `${at}:2:13: found \`5\`, expected a range such as 70000-99999`],
    ['[node]\nuid-range = 0-5\n', `${at}:2:13: found \`0-5\`, expected a range such as 70000-99999`],
    ['[node]\nuid-range = 9-5\n', `${at}:2:13: found \`9-5\`, expected a range such as 70000-99999`],
    ['[node]\nuid-range = 1-4294967295\n', `${at}:2:13: found \`1-4294967295\`, expected a range such as 70000-99999`],
    [
      '[node]\nservice-manager = systemdd\n',
      `${at}:2:19: found \`systemdd\`, expected one of auto, systemd, smf, upstart, none; did you mean \`systemd\`?`,
    ],
    [
      '[network]\npool = 10.0.0.1/16\n',
      `${at}:2:8: found \`10.0.0.1/16\`, expected networks such as 10.4.0.0/16, 10.4.1.* or 2001:db8:4::/64`,
    ],
    [
      '[network]\npool = 10.0.0.0\n',
      `${at}:2:8: found \`10.0.0.0\`, expected networks such as 10.4.0.0/16, 10.4.1.* or 2001:db8:4::/64`,
    ],
    [
      '[network]\npool = 0.0.0.0/0\n',
      `${at}:2:8: found \`0.0.0.0/0\`, expected networks such as 10.4.0.0/16, 10.4.1.* or 2001:db8:4::/64`,
    ],
    [
      '[network]\npool = 10.4.*\n',
      `${at}:2:8: found \`10.4.*\`, expected networks such as 10.4.0.0/16, 10.4.1.* or 2001:db8:4::/64`,
    ],
    [
      '[network]\npool = 10.4.0.0/16,10.5.0.0/16\n',
      `${at}:2:8: found \`10.4.0.0/16,10.5.0.0/16\`, expected networks such as 10.4.0.0/16, 10.4.1.* or 2001:db8:4::/64`,
    ],
    ['[network]\nuplink = ../eth0\n', `${at}:2:10: found \`../eth0\`, expected the name of a network interface`],
    [
      '[network]\nuplink = interface-too-long\n',
      `${at}:2:10: found \`interface-too-long\`, expected the name of a network interface`,
    ],
    ['[node\n', `${at}:1:1: found \`[node\`, expected a ] that closes the section header`],
  ])('%j', (text, problem) => expect(problems(text)).toEqual([problem]));

  it.each([
    ['0.0.0.0/8', '0.0.0.0/8 (this network)'],
    ['0.1.0.0/16', '0.0.0.0/8 (this network)'],
    ['127.1.0.0/16', '127.0.0.0/8 (loopback)'],
    ['10.4.0.0/16 127.0.0.*', '127.0.0.0/8 (loopback)'],
    ['169.254.7.0/24', '169.254.0.0/16 (link-local)'],
    ['224.0.0.0/24', '224.0.0.0/3 (multicast and reserved)'],
    ['240.0.0.0/8', '224.0.0.0/3 (multicast and reserved)'],
    ['255.255.255.255/32', '224.0.0.0/3 (multicast and reserved)'],
    ['::/128', '::/127 (unspecified and loopback)'],
    ['::1/128', '::/127 (unspecified and loopback)'],
    ['::/64', '::/127 (unspecified and loopback)'],
    ['::ffff:10.4.0.0/112', '::ffff:0:0/96 (IPv4-mapped)'],
    ['fe80::/64', 'fe80::/10 (link-local)'],
    ['febf::/16', 'fe80::/10 (link-local)'],
    ['ff02::/16', 'ff00::/8 (multicast)'],
  ])('no host can have an address of %s', (pool, unusable) =>
    expect(problems(`[network]\npool = ${pool}\n`)).toEqual([
      `${at}:2:8: found \`${pool}\`, expected networks outside of ${unusable}`,
    ]),
  );

  it.each([
    '1.0.0.0/8',
    '126.0.0.0/8',
    '128.0.0.0/8',
    '223.0.0.0/8',
    '169.253.0.0/16',
    '2000::/16',
    'fec0::/16',
    '::2/127',
  ])('nothing is wrong with %s', (pool) => expect(problems(`[network]\npool = ${pool}\n`)).toEqual([]));

  it('end in one error', () => {
    const root = scratchRoot();
    put(root, 'etc/metactl/metactl.conf', '[node]\nname = a b\nsite = c d\n');
    expect(() => loadNode(pathsFor(root))).toThrow(
      expect.objectContaining({
        code: 'METACTL_CONFIGURATION',
        exitStatus: 78,
        message: `${root}${at}:2:8: found \`a b\`, expected a host name\n${root}${at}:3:8: found \`c d\`, expected a name`,
      }),
    );
  });
});
