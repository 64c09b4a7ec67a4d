import { describe, expect, it } from 'vitest';
import { parsePortChain, portChain, publishPart } from '../../../src/host/linux/nat-table.ts';
import { parsePublish } from '../../../src/util/publish.ts';

const port = (word: string) => parsePublish(word)!;

describe('whose a published port is', () => {
  it.each(['8080:80', '53:53/udp', '192.0.2.1:8080:80', '[2001:db8::1]:8080:80'])(
    'survives being a chain: %s',
    (word) => {
      const { port: _, ...place } = port(word);
      const name = portChain('my-app', port(word));
      expect(name).toMatch(/^[a-z][\w.-]*$/);
      expect(parsePortChain('metactl-ab12-nat', name)).toEqual({
        table: 'metactl-ab12-nat',
        app: 'my-app',
        port: { ...place, port: 0 },
      });
    },
  );

  it('is told only by tables of metactl', () => {
    expect(parsePortChain('metactl', 'port-tcp-80-any-web')).toBeUndefined();
    expect(parsePortChain('other-nat', 'port-tcp-80-any-web')).toBeUndefined();
    expect(parsePortChain('metactl-nat', 'forward')).toBeUndefined();
  });
});

describe('an app’s part of the nat table', () => {
  it('has an element per port and family, and one for its way to itself', () => {
    const addresses = { address: '100.64.0.7', address6: '2001:db8::7' };
    const part = publishPart('metactl-nat', 'web', addresses, [port('8080:80'), port('192.0.2.1:53:5353/udp')]);
    expect(part.chains.map(({ name }) => name)).toEqual(['port-tcp-8080-any-web', 'port-udp-53-192.0.2.1-web']);
    expect(part.elements?.map(({ set, elements }) => [set.name, elements])).toEqual([
      ['ports4', [{ key: ['tcp', '8080'], data: ['100.64.0.7', '80'] }]],
      ['ports4-at', [{ key: ['192.0.2.1', 'udp', '53'], data: ['100.64.0.7', '5353'] }]],
      ['hairpins4', [{ key: ['100.64.0.7', '100.64.0.7'] }]],
      ['ports6', [{ key: ['tcp', '8080'], data: ['2001:db8::7', '80'] }]],
      ['hairpins6', [{ key: ['2001:db8::7', '2001:db8::7'] }]],
    ]);
  });
});
