import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { AppHandle, Ending, Sandbox } from '../../src/host/host.ts';
import { appRequest } from '../../src/supervisor/app-request.ts';
import { type Prepared, prepare } from '../../src/supervisor/prepare.ts';
import { watchReadiness } from '../../src/supervisor/ready/readiness.ts';
import { readinessSettings } from '../../src/supervisor/ready/settings.ts';
import { readinessWorld } from '../../src/supervisor/ready/world.ts';
import type { Readiness, ReadinessReport } from '../../src/supervisor/state/types.ts';
import { pathsFor } from '../../src/util/paths.ts';
import { REPOSITORY } from './run-metactl.ts';
import type { Scratch } from './scratch.ts';
import { useScratch } from './use-scratch.ts';

/** One start of `test/fixtures/programs/notify.py` in a real sandbox, and what its readiness watch reports. */
export interface WatchedDaemon {
  readonly prepared: Prepared;
  readonly handle: AppHandle;
  readonly sandbox: Sandbox;
  readonly reports: readonly ReadinessReport[];
  /** What would be shown to the administrator. */
  readonly lines: readonly string[];
  output(): string;
  /** Resolves as soon as `found` holds for what is there. */
  until(found: () => boolean, patience?: number): Promise<void>;
  /** The first report of a type, which may still come. */
  first(type: ReadinessReport['type']): Promise<ReadinessReport>;
  stop(): Promise<Ending>;
  /** Starts it once more, with a watch of its own. */
  again(): Promise<WatchedDaemon>;
}

/** @param words what the program shall do. @param keys lines of its section. */
export async function watchDaemon(
  scratch: Scratch,
  words: string,
  keys: string,
  { sections = '[sandbox.net]\nmode = none\n' } = {},
): Promise<WatchedDaemon> {
  const directory = scratch.appDirectory('shop', {});
  copyFileSync(join(REPOSITORY, 'test/fixtures/programs/notify.py'), join(directory, 'notify.py'));
  const command = `/usr/bin/python3 ${directory}/notify.py ${words}`;
  scratch.node('shop', `[app]\ndirectory = ${directory}\n${sections}[daemon.main]\ncommand = ${command}\n${keys}\n`);
  const paths = pathsFor(scratch.root);
  const prepared = await prepare(paths, 'shop', { daemon: undefined, sandbox: true, start: true });
  const plan = prepared.plans[0]!;
  const settings = await readinessSettings(prepared.config, plan.daemon, plan.network.mode === 'routed');
  const handle = await prepared.host.openApp(appRequest(prepared, plan));
  const start = async (): Promise<WatchedDaemon> => {
    const reports: ReadinessReport[] = [];
    const lines: string[] = [];
    let said = '';
    const world = readinessWorld(prepared.host, paths, plan, handle, (line) => {
      if (!line.startsWith('ready after')) lines.push(line);
    });
    const watch: Readiness = watchReadiness(settings, world);
    const sandbox = await handle.start(plan, { stdin: 'null', stdout: 'pipe', stderr: 'pipe' });
    for (const stream of [sandbox.stdout, sandbox.stderr]) stream?.on('data', (chunk) => (said += chunk));
    watch.watch(sandbox, (report) => reports.push(report));
    const one: WatchedDaemon = {
      ...{ prepared, handle, sandbox, reports, lines, output: () => said, again: start },
      async until(found, patience = 10_000) {
        for (const end = performance.now() + patience; !found(); await new Promise((go) => setTimeout(go, 5))) {
          if (performance.now() < end) continue;
          throw new Error(`not in time: ${JSON.stringify({ reports, lines, said })}`);
        }
      },
      async first(type) {
        await one.until(() => reports.some((report) => report.type === type));
        return reports.find((report) => report.type === type)!;
      },
      async stop() {
        watch.close();
        sandbox.kill();
        return sandbox.ended;
      },
    };
    return one;
  };
  return start();
}

/**
 * A scratch root for each test of the file, handed to `made` before it. What `daemon` has started is stopped afterwards, and
 * their app let go; a test that does so itself empties `started`.
 */
export function useWatchedDaemons(made: (scratch: Scratch) => void): {
  readonly started: WatchedDaemon[];
  readonly daemon: (words: string, keys?: string, sections?: string) => Promise<WatchedDaemon>;
} {
  const started: WatchedDaemon[] = [];
  let scratch: Scratch;
  useScratch((one) => {
    scratch = one;
    made(one);
  });
  afterEach(async () => {
    for (const one of started) await one.stop();
    await started[0]?.handle.close();
    started.length = 0;
  });
  const daemon = async (words: string, keys = 'ready = notify', sections?: string) => {
    const one = await watchDaemon(scratch, words, keys, sections === undefined ? {} : { sections });
    started.push(one);
    return one;
  };
  return { started, daemon };
}

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
