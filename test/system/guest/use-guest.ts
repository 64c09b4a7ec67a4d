import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { bootGuest, type Guest, type GuestOptions, SILENT } from './guest.ts';

/** A first run bootstraps Debian. */
const PATIENCE = 900_000;

/** What metactl makes and must take away again, one line each. What a test file makes (`mtest…`, `other`) is its own. */
const LEFT_OVERS = `
find /sys/fs/cgroup -name 'metactl*' -not -name 'metactl-system-agent.service' -not -name '*.slice'
ls -d /run/netns/metactl* 2>/dev/null || true
ip -o link | awk -F'[ :@]+' '$2 != "lo" && $2 !~ /^mtest/ { print "link " $2 }'
ip neigh show proxy
nft list tables
find /run/metactl -name '*.json' 2>/dev/null || true
pgrep -xa 'metactl-init|node' | grep -v metactl-system-agent || true
`;

/**
 * A guest for the tests of a file: booted before the first, ended after the last. A test that leaves something behind in
 * it fails; one that fails shows the end of its console. `prepare` makes in a fresh guest what the tests need: one that
 * hangs is replaced.
 */
export function useGuest(
  options: GuestOptions = {},
  prepare: (fresh: Guest) => Promise<unknown> = async () => {},
): Guest {
  let guest: Guest | undefined;
  let hung = false;
  const booted = (): Guest => {
    if (guest === undefined) throw new Error('the guest is there in tests only');
    return guest;
  };
  const boot = async (): Promise<void> => {
    guest = await bootGuest(options);
    await watched(prepare(guest));
  };
  beforeAll(boot, PATIENCE);
  // An emulator may hang under load; what comes after must not hang with it.
  const watched = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      hung ||= (error as Error).message.startsWith(SILENT);
      throw error;
    }
  };
  beforeEach(async ({ onTestFailed }) => {
    if (hung) {
      await guest?.stop();
      hung = false;
      await boot();
    }
    onTestFailed(() => console.log(`console of the guest:\n${guest?.console()}`));
  });
  afterEach(async () => {
    expect(await watched(booted().run(LEFT_OVERS)), 'left behind in the guest').toBe('');
  });
  afterAll(async () => {
    await guest?.stop();
  });
  return {
    run: (script, timeout) => watched(booted().run(script, timeout)),
    attempt: (script, timeout) => watched(booted().attempt(script, timeout)),
    reboot: () => watched(booted().reboot()),
    console: () => booted().console(),
    stop: async () => await guest?.stop(),
  };
}
