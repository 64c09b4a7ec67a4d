import { describe, expect, it } from 'vitest';
import { parseEndpoint } from '../../../src/config/endpoint.ts';

const name = (text: string) => ({ kind: 'name', name: text });
const network = (text: string) => ({ kind: 'network', network: text });

describe('an entry of [firewall.out.accept]', () => {
  it.each([
    ['db.example.org:5432', { host: name('db.example.org'), ports: [5432, 5432], protocol: 'tcp' }],
    ['DB_1:5432/udp', { host: name('db_1'), ports: [5432, 5432], protocol: 'udp' }],
    ['db.example.org:8000-8080/tcp', { host: name('db.example.org'), ports: [8000, 8080], protocol: 'tcp' }],
    ['gw.example.org/icmp', { host: name('gw.example.org'), protocol: 'icmp' }],
    ['10.0.0.0/8', { host: network('10.0.0.0/8') }],
    ['10.0.0.1', { host: network('10.0.0.1') }],
    ['10.0.0.1/32', { host: network('10.0.0.1') }],
    ['10.0.0.0/8:443', { host: network('10.0.0.0/8'), ports: [443, 443], protocol: 'tcp' }],
    ['10.0.0.0/8:443/udp', { host: network('10.0.0.0/8'), ports: [443, 443], protocol: 'udp' }],
    ['10.0.0.0/8/udp', { host: network('10.0.0.0/8'), protocol: 'udp' }],
    ['10.0.0.1/icmp', { host: network('10.0.0.1'), protocol: 'icmp' }],
    ['0.0.0.0/0', { host: network('0.0.0.0/0') }],
    ['2001:DB8::/32', { host: network('2001:db8::/32') }],
    ['::1/128', { host: network('::1') }],
    ['[2001:db8::1]', { host: network('2001:db8::1') }],
    ['[2001:db8::1]:443', { host: network('2001:db8::1'), ports: [443, 443], protocol: 'tcp' }],
    ['[2001:db8::/32]:1-65535/udp', { host: network('2001:db8::/32'), ports: [1, 65_535], protocol: 'udp' }],
    ['[fe80::]/icmp', { host: network('fe80::'), protocol: 'icmp' }],
  ])('%s', (text, endpoint) => {
    expect(parseEndpoint(text)).toEqual(endpoint);
  });

  it.each([
    ...['', 'db.example.org', 'db.example.org/tcp', ':80', 'db:0', 'db:65536', 'db:9-8', 'db:80/icmp', 'db:80/sctp'],
    ...[
      'db..x:80',
      '-db:80',
      'db-:80',
      'a b:80',
      'db:80 ',
      'db:http',
      '1.2.3:80',
      '1.2.3.256:80',
      '10.0.0.1/8',
      '10.0.0.0/33',
    ],
    ...[
      '[10.0.0.1]:80',
      '[::1',
      '::1',
      '2001:db8::1:443',
      '::1/129',
      '2001:db8::1/32',
      '[db]:80',
      '[]:80',
      '010.0.0.1:80',
      'db/8',
      `${'x'.repeat(64)}:1`,
    ],
  ])('%j is none', (text) => {
    expect(parseEndpoint(text)).toBeUndefined();
  });
});
