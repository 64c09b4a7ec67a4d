import { fstatSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { host as hostOfThisMachine } from '../host/index.ts';
import type { Prepared } from '../supervisor/prepare.ts';
import { takeServiceEnvironment } from '../supervisor/service/environment.ts';
import { receiveUnit, runUnit } from '../supervisor/service/run-unit.ts';
import { dependenciesOf } from '../supervisor/state/order.ts';
import { remarkText } from './print.ts';
import { errorText } from './report.ts';
import { survivingStream } from './surviving-stream.ts';
import { VERSION } from './version.ts';

/** Severities of syslog(3), which journald takes from the beginning of a line (sd-daemon(3)). */
const SEVERITY = { error: 3, warning: 4, info: 6 } as const;

/**
 * `metactl run --unit`: ends the process, with the status that a service manager is to see.
 * @param takeOver descriptor of what the process before hands over.
 */
export async function runAsUnit(prepare: () => Promise<Prepared>, debug: boolean, takeOver?: number): Promise<void> {
  const host = await hostOfThisMachine();
  // Before its heap grows.
  host.refuseHugePages();
  // Before anything else is done with the host.
  const handed = takeOver === undefined ? undefined : receiveUnit(host, takeOver);
  const outputs = [1, 2].map((descriptor) => fstatSync(descriptor, { bigint: true }));
  const environment = handed?.body.unit.environment ?? takeServiceEnvironment(process.env, process.pid, outputs);
  const write = (text: string, severity: keyof typeof SEVERITY) =>
    void survivingStream('stderr').write(environment.journal ? withSeverity(text, SEVERITY[severity]) : text);
  const log = (line: string) => write(remarkText(line), line.startsWith('warning: ') ? 'warning' : 'info');
  let prepared: Prepared | undefined;
  const status = await runUnit({
    onUp() {
      // In a process that took over nothing was prepared: what it runs has been up.
      const about = prepared;
      // What it takes is loaded only where something may have been given up: every unit has this memory to itself.
      if (about !== undefined && isNeeded(about))
        void import('./start-left-behind.ts').then((it) => it.startLeftBehind(about, log));
    },
    host,
    version: VERSION,
    successor: { node: process.execPath, options: process.execArgv, program: process.argv[1]! },
    begin: handed ?? {
      environment,
      async prepare() {
        prepared = await prepare();
        return prepared;
      },
    },
    onError: (error) => write(errorText(error, debug), 'error'),
    io: {
      stdout: () => survivingStream('stdout'),
      stderr: () => survivingStream('stderr'),
      log,
    },
  });
  await flushed();
  // Whatever a library still waits for: all daemons have ended.
  process.exit(status);
}

/** Whether another daemon of the app depends on the one of this unit. Pure. */
function isNeeded({ config, plans }: Prepared): boolean {
  const needs = [...dependenciesOf(config, config.daemons).values()];
  return plans.length === 1 && needs.some((one) => one.has(plans[0]!.daemon));
}

/** How long a journald that is busy may keep the last lines. ms */
const PATIENCE = 1000;

async function flushed(): Promise<void> {
  const written = new Promise<void>((resolve) => process.stderr.write('', () => resolve()));
  await Promise.race([written, sleep(PATIENCE)]);
}

/** Pure. */
export function withSeverity(text: string, severity: number): string {
  return text.replace(/^(?=[^\n])/gm, `<${severity}>`);
}
