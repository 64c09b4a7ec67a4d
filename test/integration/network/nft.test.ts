import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { loadBaseTable, readOtherClaims, removeBaseTable } from '../../../src/host/linux/nft.ts';
import { leakCheck } from '../../helpers/leak-check.ts';

// The addon's socket lasts as long as the process: it is no left-over of a test.
readOtherClaims('none');
leakCheck();

const OWN = 'metactl-fff0';
const switchedOn = { key: 'net/ipv4/conf/eth0/forwarding', old: '0' };
const router = { key: 'net/ipv4/conf/bond0.100/forwarding', old: '1' };

const host = { ipv4: false, ipv6: false };

const list = () => execFileSync('nft', ['-s', 'list', 'table', 'inet', OWN], { encoding: 'utf8' });

afterEach(() => {
  for (const name of [OWN, 'metactl-fff1']) removeBaseTable(name);
});

describe('the base table in the kernel', () => {
  it('is what an administrator would have written for nft', () => {
    loadBaseTable(OWN, [switchedOn, router], host);
    expect(list()).toBe(`table inet ${OWN} {
	chain anti-spoof {
		type filter hook prerouting priority raw; policy accept;
		iifname "mt-*" fib saddr . iif oif missing drop
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		meta nfproto ipv4 iifname "eth0" oifname != "mt-*" drop
	}

	chain sysctl-0-net/ipv4/conf/eth0/forwarding {
	}

	chain sysctl-1-net/ipv4/conf/bond0.100/forwarding {
	}
}
`);
  });

  it('replaces what there was, also what others put into it', () => {
    loadBaseTable(OWN, [switchedOn], host);
    execFileSync('nft', ['add', 'rule', 'inet', OWN, 'forward', 'accept']);
    loadBaseTable(OWN, [], host);
    expect(list()).not.toMatch(/accept$|sysctl/m);
    expect(list().match(/ drop$/gm)).toHaveLength(1);
  });

  it('goes, and may be gone already', () => {
    loadBaseTable(OWN, [], host);
    removeBaseTable(OWN);
    removeBaseTable(OWN);
    expect(() => list()).toThrow('No such file or directory');
  });

  it('shows the claims of other roots, not our own', () => {
    // This machine's own metactl may claim an uplink too.
    const others = readOtherClaims(OWN);
    loadBaseTable(OWN, [switchedOn], host);
    loadBaseTable('metactl-fff1', [router], host);
    expect(readOtherClaims(OWN)).toEqual([...others, router]);
    expect(readOtherClaims('metactl-fff1')).toEqual([...others, switchedOn]);
  });

  it('tells in the kernel’s words why it was refused', () => {
    const name = 'x'.repeat(300);
    expect(() => loadBaseTable(name, [], host)).toThrow(
      expect.objectContaining({
        code: 'METACTL_NFT',
        message: `can't load the nft table ${name}: ERANGE (the kernel says: Attribute failed policy validation)`,
      }),
    );
  });
});
