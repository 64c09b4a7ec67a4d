import { execFileSync } from 'node:child_process';
import { type BenchSite, openDaemon, startFirst } from './site.ts';
import { type Summary, summarize } from './statistics.ts';
import { roundTrip, type Server, serveIperf, servePingPong, throughput } from './traffic.ts';

export interface NetworkFigures {
  readonly runs: number;
  /** µs. */
  readonly roundTrip: { readonly metactl: Summary; readonly plain: Summary };
  /** Mbit/s. */
  readonly throughput: { readonly metactl: Summary; readonly plain: Summary };
}

const PLAIN = 'mbench-plain';
const PLAIN_LINK = 'mbench1';
const HOST_ADDRESS = '198.19.0.1';
const PLAIN_ADDRESS = '198.19.0.2';
const PING_PORT = 7001;
const IPERF_PORT = 7002;

/** From the host to an app over metactl's veth pair, and over one made by hand, in turns: A B, B A. */
export async function measureNetwork(site: BenchSite, runs: number): Promise<NetworkFigures> {
  const prepared = await site.app('traffic', 1, true);
  const plan = prepared.plans[0]!;
  if (plan.network.mode !== 'routed') throw new Error('the bench needs an app with a network of its own');
  const handle = await openDaemon(prepared, plan);
  const servers: Server[] = [];
  try {
    const { sandbox, printed } = await startFirst(handle, plan);
    try {
      await printed;
      makePlainPair();
      for (const netns of [plan.network.netns, PLAIN]) {
        servers.push(await servePingPong(netns, PING_PORT), await serveIperf(netns, IPERF_PORT));
      }
      const { address } = plan.network;
      const trips = await inTurns(runs, (to) => roundTrip(undefined, to, PING_PORT), address);
      const flows = await inTurns(runs, async (to) => (await throughput(undefined, to, IPERF_PORT)) / 1e6, address);
      return { runs, roundTrip: trips, throughput: flows };
    } finally {
      for (const server of servers) await server.close();
      removePlainPair();
      sandbox.kill();
      await sandbox.ended;
    }
  } finally {
    await handle.close();
  }
}

async function inTurns(
  runs: number,
  measure: (address: string) => Promise<number>,
  address: string,
): Promise<{ metactl: Summary; plain: Summary }> {
  const metactl: number[] = [];
  const plain: number[] = [];
  const both = [
    async () => metactl.push(await measure(address)),
    async () => plain.push(await measure(PLAIN_ADDRESS)),
  ] as const;
  // Unmeasured: ARP, caches.
  await measure(address);
  await measure(PLAIN_ADDRESS);
  for (let round = 0; round < runs; round++) for (let i = 0; i < 2; i++) await both[(i + round) % 2]!();
  return { metactl: summarize(metactl), plain: summarize(plain) };
}

function makePlainPair(): void {
  removePlainPair();
  ip('netns', 'add', PLAIN);
  ip('link', 'add', PLAIN_LINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', PLAIN);
  ip('addr', 'add', `${HOST_ADDRESS}/30`, 'dev', PLAIN_LINK);
  ip('link', 'set', PLAIN_LINK, 'up');
  ip('-n', PLAIN, 'addr', 'add', `${PLAIN_ADDRESS}/30`, 'dev', 'eth0');
  ip('-n', PLAIN, 'link', 'set', 'eth0', 'up');
  ip('-n', PLAIN, 'link', 'set', 'lo', 'up');
}

function removePlainPair(): void {
  for (const words of [
    ['link', 'delete', PLAIN_LINK],
    ['netns', 'delete', PLAIN],
  ]) {
    try {
      ip(...words);
    } catch {
      // It isn't there.
    }
  }
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'pipe' });
}
