import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { bootGuest, type Guest, type GuestOptions } from './guest.ts';

/** A first run bootstraps Debian. */
const PATIENCE = 900_000;

/** What metactl makes and must take away again, one line each. What a test file makes (`mtest…`, `other`) is its own. */
const LEFT_OVERS = `
find /sys/fs/cgroup -name 'metactl*' -not -name 'metactl-system-agent.service'
ls -d /run/netns/metactl* 2>/dev/null || true
ip -o link | awk -F'[ :@]+' '$2 != "lo" && $2 !~ /^mtest/ { print "link " $2 }'
ip neigh show proxy
nft list tables
find /run/metactl -name '*.json' 2>/dev/null || true
pgrep -xa 'metactl-init|node' | grep -v metactl-system-agent || true
`;

/**
 * A guest for the tests of a file: booted before the first, ended after the last. A test that leaves something behind in
 * it fails; one that fails shows the end of its console.
 */
export function useGuest(options: GuestOptions = {}): Guest {
  let guest: Guest | undefined;
  const booted = (): Guest => {
    if (guest === undefined) throw new Error('the guest is there in tests only');
    return guest;
  };
  beforeAll(async () => {
    guest = await bootGuest(options);
  }, PATIENCE);
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => console.log(`console of the guest:\n${guest?.console()}`));
  });
  afterEach(async () => {
    expect(await booted().run(LEFT_OVERS), 'left behind in the guest').toBe('');
  });
  afterAll(async () => {
    await guest?.stop();
  });
  return {
    run: (script, timeout) => booted().run(script, timeout),
    attempt: (script, timeout) => booted().attempt(script, timeout),
    reboot: () => booted().reboot(),
    console: () => booted().console(),
    stop: async () => await guest?.stop(),
  };
}
