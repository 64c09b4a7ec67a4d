import { constants } from 'node:os';
import type { Writable } from 'node:stream';
import type { AppHandle } from '../host/host.ts';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { appRequest } from './app-request.ts';
import { type DaemonEvent, DaemonRunner, type StartOutput } from './daemon-runner.ts';
import { describeEnding } from './ending-text.ts';
import { FirewallWatch } from './firewall-watch.ts';
import { killedFor } from './killed-for.ts';
import { type ForegroundLogs, openForegroundLogs } from './logs/foreground-logs.ts';
import { copyOutput } from './output.ts';
import type { Prepared } from './prepare.ts';
import { restartSettings, stopSettings } from './settings.ts';
import { onSignals } from './signals.ts';

export interface ForegroundIo {
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** One line about what the supervisor does. */
  readonly log: (line: string) => void;
}

/**
 * Runs prepared daemons in the foreground until all have ended or a signal stops them.
 * @returns the exit status to pass on: the daemon's, or that of the first one that failed.
 * @throws MetactlError where a first start fails; daemons that were started already are stopped first.
 */
export async function runForeground(prepared: Prepared, io: ForegroundIo): Promise<number> {
  for (const warning of prepared.warnings) io.log(`warning: ${warning}`);
  const several = prepared.plans.length > 1;
  const width = Math.max(...prepared.plans.map((plan) => plan.daemon.length));
  const handles: AppHandle[] = [];
  const runners: DaemonRunner[] = [];
  const copies: Promise<void>[] = [];
  const prefixOf = (daemon: string) => (several ? `${daemon.padEnd(width)} | ` : undefined);
  let logs: ForegroundLogs | undefined;
  let asked: number | undefined;
  let firewall: FirewallWatch | undefined;
  const release = onSignals((signal, stops) => {
    if (stops) asked = signal;
    else if (signal === constants.signals.SIGHUP) firewall?.renew();
    for (const runner of runners) stops ? runner.stop(signal) : runner.signal(signal);
  });
  try {
    logs = await openForegroundLogs(prepared, { ...io, prefix: prefixOf });
    for (const plan of prepared.plans) {
      // One handle watches for all daemons: they share the address.
      const onWarning = handles.length === 0 ? (text: string) => io.log(`warning: ${text}`) : undefined;
      handles.push(await prepared.host.openApp(appRequest(prepared, plan, onWarning)));
    }
    firewall = watchFirewall(prepared, handles, io);
    const runs = prepared.plans.map((plan, index) => {
      const log = logs?.of(plan.daemon);
      const runner = new DaemonRunner({
        plan,
        app: handles[index]!,
        output: () => log?.startOutput() ?? passedThrough(io, prefixOf(plan.daemon), copies),
        restart: restartSettings(prepared.config, plan.daemon),
        stop: stopSettings(prepared.config, plan.daemon),
        killedFor: (since) => killedFor(prepared.host, plan, since),
        onEvent: (event) => logEvent(io, plan, event, asked !== undefined),
      });
      runners.push(runner);
      if (asked !== undefined) runner.stop(asked);
      return runner.run();
    });
    const results = await settleOrStop(runs, runners);
    await Promise.all(copies);
    return results.find((status) => status !== 0) ?? 0;
  } finally {
    release();
    await firewall?.close();
    await logs?.close();
    for (const handle of handles.reverse()) await closeHandle(handle, io);
  }
}

/** One watch for all daemons: they share the firewall. */
function watchFirewall(
  { plans }: Prepared,
  [handle]: readonly AppHandle[],
  { log }: ForegroundIo,
): FirewallWatch | undefined {
  const plan = plans[0]?.firewall;
  return plan === undefined || handle === undefined ? undefined : new FirewallWatch(handle, plan, log);
}

/** What can't be taken away must not hide how the daemons ended, nor why they didn't start. */
async function closeHandle(handle: AppHandle, io: ForegroundIo): Promise<void> {
  try {
    await handle.close();
  } catch (error) {
    io.log(`warning: ${(error as Error).message}; metactl gc takes away what is left`);
  }
}

/** Waits for all runs; the first that can't start stops the others, and its error is thrown after they have ended. */
async function settleOrStop(runs: readonly Promise<number>[], runners: readonly DaemonRunner[]): Promise<number[]> {
  try {
    return await Promise.all(runs);
  } catch (error) {
    for (const runner of runners) runner.stop();
    await Promise.allSettled(runs);
    throw error;
  }
}

function passedThrough(io: ForegroundIo, prefix: string | undefined, copies: Promise<void>[]): StartOutput {
  return {
    io: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' },
    attach: ({ stdout, stderr }) => {
      for (const [from, to] of [
        [stdout, io.stdout],
        [stderr, io.stderr],
      ] as const) {
        if (from !== undefined) copies.push(copyOutput(from, to, { prefix, escape: to.isTTY === true }));
      }
    },
  };
}

/** Says what a person at the terminal must know: failures and restarts. An ordinary run says nothing. */
function logEvent(io: ForegroundIo, plan: SandboxPlan, event: DaemonEvent, stopping: boolean): void {
  const name = `${plan.app}/${plan.daemon}`;
  if (event.type === 'ended' && event.failed && !(stopping && event.status > 128)) {
    io.log(`${name} ${describeEnding(event.ending, plan.limits, event.killedFor)}`);
  } else if (event.type === 'backoff') {
    io.log(event.delay === 0 ? `${name}: restarting` : `${name}: restarting in ${event.delay} ms`);
  } else if (event.type === 'start-failed') io.log(`${name}: ${event.error.message}`);
}
