/**
 * The bench: `npm run bench -- [--json] [--runs N] [--only launches,daemons,restart,supervision,crashes,apps,firewalls,network,commands,logs]`. Root; a quiet machine.
 * scripts/bench.sh gives it a scratch root and removes what is left, also when it is stopped.
 * `crashes` only where it is named: 10,000 restarts with the default of 200 runs take some minutes.
 * Exit status 1 if a gate fails. `--json`: `{ node, kernel, cpus, runs, measured, missing, gates }`, times in µs.
 */
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { measureCommands } from './commands.ts';
import { measureFirewalls } from './firewalls.ts';
import { COLD, evaluate, type Measured, WARM } from './gates.ts';
import { interleave, type Result } from './launcher.ts';
import { isLogWorker, measureLogs } from './logs.ts';
import { measureManyApps } from './many-apps.ts';
import { measureManyDaemons } from './many-daemons.ts';
import { coldLauncher, warmLauncher } from './metactl.ts';
import { measureNetwork } from './network.ts';
import { measureRestarts } from './restarts.ts';
import { findRivals } from './rivals.ts';
import { type BenchSite, makeSite } from './site.ts';
import { measureCrashes } from './supervision/crashes.ts';
import { measureSupervision } from './supervision/measure.ts';
import { printTable } from './table.ts';

/** In the order in which they are measured. */
const PARTS = [
  'launches',
  'commands',
  'daemons',
  'restart',
  'supervision',
  'crashes',
  'apps',
  'firewalls',
  'network',
  'logs',
] as const;

function options(): { json: boolean; runs: number; parts: readonly string[]; scratch: string } {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string', default: '200' },
      scratch: { type: 'string', default: '' },
      only: { type: 'string', default: PARTS.filter((part) => part !== 'crashes').join(',') },
    },
  });
  const parts = values.only.split(',');
  const unknown = parts.find((part) => !(PARTS as readonly string[]).includes(part));
  const runs = Number(values.runs);
  if (unknown !== undefined || !Number.isInteger(runs) || runs < 1 || values.scratch === '') {
    console.error(
      'usage: bench --scratch DIR [--json] [--runs N] [--only launches,daemons,restart,supervision,crashes,apps,firewalls,network,commands,logs]',
    );
    process.exit(2);
  }
  return { json: values.json, runs, parts, scratch: values.scratch };
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`bench: ${text}\n`);
}

async function measureLaunches(site: BenchSite, runs: number): Promise<Pick<Measured, 'launches' | 'missing'>> {
  const { running, missing } = await findRivals(site.directory, site.program);
  const mapped = '[sandbox]\nuser-namespace = yes\n';
  const warm = await warmLauncher(WARM, await site.app('warm', 1, false));
  const warmMapped = await warmLauncher(`${WARM}, user namespace`, await site.app('warm-ids', 1, false, mapped));
  try {
    const cold = coldLauncher(COLD, await site.app('cold', 1, false));
    const coldMapped = coldLauncher(`${COLD}, user namespace`, await site.app('cold-ids', 1, false, mapped));
    const launchers = [warm, warmMapped, cold, coldMapped, ...running];
    const launches: Result[] = [];
    for (const mode of ['hot', 'idle'] as const) {
      progress(`${launchers.length} launchers, ${runs} times each, ${mode}`);
      launches.push(...(await interleave(launchers, runs, mode)));
    }
    return { launches, missing };
  } finally {
    await warm.close();
    await warmMapped.close();
  }
}

/** Each part of the bench: the figures that it adds. */
const MEASURE: Readonly<Record<(typeof PARTS)[number], (site: BenchSite, runs: number) => Promise<Measured>>> = {
  launches: measureLaunches,
  commands: async (site, runs) => ({ commands: await measureCommands(site, Math.ceil(runs / 5)) }),
  daemons: async (site, runs) => ({ daemons: await measureManyDaemons(site, 100, Math.ceil(runs / 20)) }),
  restart: async (site, runs) => ({ restarts: await measureRestarts(site, Math.max(100, Math.ceil(runs / 2))) }),
  supervision: async (site, runs) => ({ supervision: await measureSupervision(site, 100, runs) }),
  crashes: async (site, runs) => ({ crashes: await measureCrashes(site, runs * 50) }),
  apps: async (site, runs) => ({ apps: await measureManyApps(site, 300, runs) }),
  firewalls: async (site, runs) => ({ firewalls: await measureFirewalls(site, 300, Math.ceil(runs / 2)) }),
  network: async (site, runs) => ({ network: await measureNetwork(site, Math.max(10, Math.ceil(runs / 10))) }),
  logs: async (site, runs) => ({ logs: await measureLogs(site, Math.max(3, Math.ceil(runs / 40))) }),
};

async function bench(): Promise<void> {
  const { json, runs, parts, scratch } = options();
  if (process.geteuid?.() !== 0) {
    console.error('bench: sandboxes need root');
    process.exit(77);
  }

  const site = makeSite(scratch);
  let measured: Measured = {};
  try {
    for (const part of PARTS.filter((name) => parts.includes(name))) {
      // What `status` lists is measured too: no part may find the apps of another one.
      site.clear();
      progress(part);
      measured = { ...measured, ...(await MEASURE[part](site, runs)) };
    }
  } finally {
    site.remove();
  }

  const { missing = [], ...figures } = measured;
  const gates = evaluate(figures);
  const machine = { node: process.version, kernel: release(), cpus: cpus().length, runs };
  console.log(
    json
      ? JSON.stringify({ ...machine, measured: figures, missing, gates }, undefined, 2)
      : `${printTable(figures, missing, gates)}\nNode ${machine.node}, Linux ${machine.kernel}, ${machine.cpus} CPUs`,
  );
  process.exitCode = gates.every(({ passed }) => passed) ? 0 : 1;
}

if (!(await isLogWorker(process.argv))) await bench();
