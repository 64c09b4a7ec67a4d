import type { AppHandle, Sandbox } from '../../src/host/host.ts';
import { interleave, type Result, spawnLauncher } from './launcher.ts';
import { coldLauncher } from './metactl.ts';
import { equalBwrap } from './rivals.ts';
import { type BenchSite, openDaemon, startFirst } from './site.ts';
import { type Summary, summarize } from './statistics.ts';
import { roundTrip, type Server, servePingPong } from './traffic.ts';

export interface FirewallFigures {
  readonly count: number;
  /** A cold launch of an app with a firewall, and bwrap beside it. */
  readonly cold: Result;
  readonly bwrap: Result;
  /** Such a launch beside all the others. */
  readonly coldLast: Result;
  /** µs, from one app with a firewall to another, with these two only and beside all the others. */
  readonly tripFirst: Summary;
  readonly tripLast: Summary;
}

const PORT = 7003;
/** Medians of thousands of round trips each. */
const TRIPS = 15;
/** Names, addresses, networks and ranges, as a real app has them. */
const FIREWALL = `[firewall.out]
policy = reject
[firewall.out.accept]
db = 192.0.2.10:5432
queue = 192.0.2.11:5671-5672
dns = 192.0.2.53:53/udp
net = 10.0.0.0/8
net6 = 2001:db8::/32
apps = 198.18.0.0/16:${PORT}
`;

/** What firewalls cost: at a start, the more of them there are, and for each packet. */
export async function measureFirewalls(site: BenchSite, count: number, runs: number): Promise<FirewallFigures> {
  const others: { handle: AppHandle; sandbox: Sandbox }[] = [];
  const servers: Server[] = [];
  const keep = async (app: string): Promise<{ netns: string; address: string }> => {
    const prepared = await site.app(app, 1, true, FIREWALL);
    const plan = prepared.plans[0]!;
    const handle = await openDaemon(prepared, plan);
    const { sandbox, printed } = await startFirst(handle, plan);
    others.push({ handle, sandbox });
    await printed;
    if (plan.network.mode !== 'routed') throw new Error('the bench needs apps with networks of their own');
    return plan.network;
  };
  try {
    const from = await keep('fw-from');
    const to = await keep('fw-to');
    servers.push(await servePingPong(to.netns, PORT));
    const trips = async (): Promise<Summary> => {
      const samples: number[] = [];
      for (let i = 0; i < TRIPS; i++) samples.push(await roundTrip(from.netns, to.address, PORT));
      return summarize(samples);
    };
    const launcher = coldLauncher('metactl, with [firewall.out]', await site.app('fw-cold', 1, false, FIREWALL));
    const rival = spawnLauncher('bwrap, equal features', () => equalBwrap(site.directory, [site.program]));
    const [cold, bwrap] = await interleave([launcher, rival], runs, 'idle');
    const tripFirst = await trips();
    for (let i = 2; i < count; i++) await keep(`fw${i}`);
    const [coldLast] = await interleave([launcher], runs, 'idle');
    const tripLast = await trips();
    return { count, cold: cold!, bwrap: bwrap!, coldLast: coldLast!, tripFirst, tripLast };
  } finally {
    for (const server of servers) await server.close();
    for (const { sandbox } of others) sandbox.kill();
    for (const { handle } of others) await handle.close();
  }
}
