import type { Command } from 'commander';
import { inspectNode } from '../config/node-config.ts';
import type { Finding } from '../host/finding.ts';
import { host } from '../host/index.ts';
import { EXIT } from '../util/error.ts';
import { contextOf } from './context.ts';
import { type AppFindings, examineApps, publishedBy } from './doctor-apps.ts';
import { examineJournal } from './doctor-journal.ts';
import { doctorJson, doctorText } from './doctor-text.ts';
import { jsonText, print } from './print.ts';

/** `metactl doctor`: what this machine can do, what that means, how to mend it, and which apps can run. */
export function register(program: Command): void {
  program
    .command('doctor')
    .description('Tell what this machine can do for metactl, how to mend what it can’t, and which apps can run here.')
    .addHelpText(
      'after',
      '\nNothing is changed: what has to be tried is tried in children and a network namespace that end at once, and no' +
        '\nkernel module is loaded for it.' +
        '\nExit status: 0 all apps that are configured here can run, 1 some can’t, 77 only root can tell.',
    )
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const machine = await host();
      const { node } = inspectNode(context.paths);
      const found = await machine.examine(context.paths, node, publishedBy(context.paths));
      const findings = [...found, ...(await examineJournal(context.paths, machine.logs))];
      const apps = await examineApps(context.paths, findings);
      print(
        context.json ? jsonText(doctorJson(findings, apps), 2) : doctorText(findings, apps, { color: context.color }),
      );
      process.exitCode = statusOf(findings, apps);
    });
}

/** Where no app is configured, it tells whether one with the defaults could run. Pure. */
export function statusOf(findings: readonly Finding[], apps: AppFindings): number {
  const stopped = apps.list.some(({ state }) => state === 'failed');
  const hopeless =
    apps.list.length === 0 && findings.some(({ stops = [] }) => DEFAULT_NEEDS.some((need) => stops.includes(need)));
  if (stopped || hopeless) return EXIT.error;
  const unknown = apps.needsRoot || apps.list.some(({ state }) => state === 'unknown');
  return unknown || findings.some(({ state }) => state === 'unknown') ? EXIT.needsRoot : EXIT.ok;
}

const DEFAULT_NEEDS = ['any', 'sandbox', 'network'] as const;
