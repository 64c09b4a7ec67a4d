import { describe, expect, it } from 'vitest';
import { chooseNetwork, planNetwork } from '../../../src/sandbox/network.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { type FakeSections, fakeConfig } from '../platform/fake-config.ts';

const choose = (pool: string[], mode?: string) =>
  chooseNetwork(fakeConfig(mode === undefined ? {} : { 'sandbox.net': { mode } }), { pool });
const FOUR = '10.4.0.0/16';
const SIX = '2001:db8::/64';

describe('the network of an app', () => {
  it('is by default what the pool gives', () => {
    expect(choose([])).toEqual({ mode: 'nat', ipv6: false });
    expect(choose([FOUR])).toEqual({ mode: 'routed', ipv6: false });
    expect(choose([FOUR, SIX])).toEqual({ mode: 'routed', ipv6: true });
    expect(choose([SIX])).toEqual({ mode: 'nat', ipv6: true });
  });

  it('is as configured', () => {
    expect(choose([FOUR, SIX], 'nat')).toEqual({ mode: 'nat', ipv6: false });
    expect(choose([FOUR, SIX], 'routed')).toEqual({ mode: 'routed', ipv6: true });
    expect(choose([FOUR, SIX], 'host')).toEqual({ mode: 'host', ipv6: false });
    expect(choose([FOUR], 'none')).toEqual({ mode: 'none', ipv6: false });
    const plain = fakeConfig({ sandbox: { enabled: false }, 'sandbox.net': { mode: 'host' } });
    expect(chooseNetwork(plain, { pool: [FOUR] })).toEqual({ mode: 'none', ipv6: false });
  });

  it.each([[[]], [[SIX]]])('can’t be routed with the pool %j', (pool) => {
    expect(() => choose(pool, 'routed')).toThrow(
      expect.objectContaining({
        code: 'METACTL_NO_POOL',
        message: '[sandbox.net] mode = routed needs a [network] pool with IPv4 addresses',
        exitStatus: 78,
      }),
    );
  });
});

describe('published ports', () => {
  const plan = (sections: FakeSections, address6?: string) => {
    const config = fakeConfig(sections);
    const lease = { address: '10.4.0.7', uid: undefined, ...(address6 === undefined ? {} : { address6 }) };
    return planNetwork(pathsFor('/'), config, chooseNetwork(config, { pool: [FOUR] }), lease, 'mt-myapp');
  };

  it('are in the plan', () => {
    expect(plan({ 'sandbox.net': { publish: ['8080:80'] } })).toMatchObject({
      publish: [{ protocol: 'tcp', hostPort: 8080, port: 80 }],
    });
    expect(plan({})).not.toHaveProperty('publish');
  });

  it.each(['host', 'none'])('make no sense with mode %s', (mode) => {
    expect(() => plan({ 'sandbox.net': { mode, publish: ['8080:80'] } })).toThrow(
      `[sandbox.net] publish needs an address of the app's own, but mode = ${mode} gives none`,
    );
  });

  it('make no sense without a sandbox, and are left out with a word where the command line says so', () => {
    const sections = { sandbox: { enabled: false }, 'sandbox.net': { publish: ['8080:80'] } };
    expect(() => plan(sections)).toThrow(
      expect.objectContaining({
        message: "[sandbox.net] publish needs an address of the app's own, but [sandbox] enabled = no gives none",
        hint: 'leave publish out: the app listens on the host itself',
        exitStatus: 78,
      }),
    );
  });

  it('of an IPv6 address need one of the app’s', () => {
    const sections = { 'sandbox.net': { publish: ['[2001:db8::1]:8080:80'] } };
    expect(() => plan(sections)).toThrow(
      '[sandbox.net] publish: [2001:db8::1]:8080:80 needs an IPv6 address of the app, which has none',
    );
    expect(plan(sections, '2001:db8::7')).toMatchObject({ address6: '2001:db8::7' });
  });
});
