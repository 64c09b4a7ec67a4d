import { execFileSync, spawnSync } from 'node:child_process';

/**
 * A network for tests: an uplink of its own, whose other end is in a network namespace that stands for another server.
 * No packet of a test ever gets to a real network.
 */
export interface Lab {
  /** Device in the root namespace that plays the uplink. */
  readonly uplink: string;
  /** CIDR of the apps' addresses, on the uplink's network. */
  readonly pool: string;
  /** The host's own address on the uplink. */
  readonly hostAddress: string;
  /** The same for IPv6. It is for those who ask: `metactlConf` has IPv4 only. */
  readonly pool6: string;
  readonly hostAddress6: string;
  readonly otherAddress6: string;
  /** Name of the other server's network namespace (`ip netns exec`). */
  readonly otherNetns: string;
  readonly otherAddress: string;
  /** Text for metactl.conf that uses all this. */
  readonly metactlConf: string;
  /** Removes everything; may be called twice. */
  close(): void;
}

const UPLINK = 'mtest0';
const OTHER = 'mtest-other';
/** RFC 2544 sets 198.18.0.0/15 aside for tests of networks: no real network has these addresses. */
const HOST_ADDRESS = '198.18.76.1';
const OTHER_ADDRESS = '198.18.76.2';
const POOL = '198.18.76.128/25';
/** RFC 3849 sets 2001:db8::/32 aside for documentation. */
const HOST_ADDRESS6 = '2001:db8:76::1';
const OTHER_ADDRESS6 = '2001:db8:76::2';
const POOL6 = '2001:db8:76::1:0/112';

/** Makes the lab; there is one at a time (leakCheck's lock sees to it). What an aborted run left goes first. */
export async function makeLab(): Promise<Lab> {
  removeLab();
  try {
    ip('netns', 'add', OTHER);
    ip('link', 'add', UPLINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', OTHER);
    // No addresses of their own accord: their routes would come a second later, when duplicate address detection is over,
    // in the midst of a test.
    ip('link', 'set', UPLINK, 'addrgenmode', 'none');
    ip('-n', OTHER, 'link', 'set', 'eth0', 'addrgenmode', 'none');
    ip('addr', 'add', `${HOST_ADDRESS}/24`, 'dev', UPLINK);
    ip('-n', OTHER, 'addr', 'add', `${OTHER_ADDRESS}/24`, 'dev', 'eth0');
    ip('-n', OTHER, 'link', 'set', 'lo', 'up');
    ip('-n', OTHER, 'link', 'set', 'eth0', 'up');
    ip('link', 'set', UPLINK, 'up');
    for (const address of [`${HOST_ADDRESS6}/64`, 'fe80::7601/64']) {
      ip('addr', 'add', address, 'dev', UPLINK, 'nodad');
    }
    for (const address of [`${OTHER_ADDRESS6}/64`, 'fe80::7602/64']) {
      ip('-n', OTHER, 'addr', 'add', address, 'dev', 'eth0', 'nodad');
    }
  } catch (error) {
    removeLab();
    throw error;
  }
  return {
    uplink: UPLINK,
    pool: POOL,
    pool6: POOL6,
    hostAddress6: HOST_ADDRESS6,
    otherAddress6: OTHER_ADDRESS6,
    hostAddress: HOST_ADDRESS,
    otherNetns: OTHER,
    otherAddress: OTHER_ADDRESS,
    metactlConf: `[network]\npool = ${POOL}\nuplink = ${UPLINK}\n`,
    close: removeLab,
  };
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function removeLab(): void {
  // What isn't there can't be removed, and is as good as removed.
  spawnSync('ip', ['link', 'delete', UPLINK], { stdio: 'ignore' });
  spawnSync('ip', ['netns', 'delete', OTHER], { stdio: 'ignore' });
}
