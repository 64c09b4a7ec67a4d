import { expect, it } from 'vitest';
import { partText } from '../../../src/host/linux/nft-text.ts';

/** That the text is what nft prints is proved on the kernel, in test/integration/network/nft-messages.test.ts. */

it('a part of a table shows sets of other parts with its own elements only', () => {
  const out = { name: 'out', key: ['ifname'], data: 'verdict', elements: [] } as const;
  const text = partText({
    name: 'metactl',
    sets: [
      { name: 'nets', key: ['ipv4_addr'], interval: true, elements: [{ key: ['10.2.0.0/16'] }, { key: ['10.1.0.1'] }] },
    ],
    chains: [{ name: 'out-web', rules: [[{ kind: 'reject', with: 'admin-prohibited' }]] }],
    elements: [{ set: out, elements: [{ key: ['mt-web'], data: { jump: 'out-web' } }] }],
  });
  expect(text).toBe(`table inet metactl {
	set nets {
		type ipv4_addr
		flags interval
		elements = { 10.1.0.1,
			     10.2.0.0/16 }
	}

	map out {
		type ifname : verdict
		elements = { "mt-web" : jump out-web }
	}

	chain out-web {
		reject with icmpx admin-prohibited
	}
}
`);
});
