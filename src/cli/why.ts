import type { Command } from 'commander';
import { host as hostOfThisMachine } from '../host/index.ts';
import { gatherFacts, type WhyFacts } from '../supervisor/why-facts.ts';
import { findingsOf, type WhyFinding } from '../supervisor/why-findings.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { contextOf } from './context.ts';
import { jsonText, print } from './print.ts';
import { whyJson, whyText } from './why-text.ts';
import { forWhole, withUnitFacts } from './why-units.ts';

/** `metactl why APP`: what is wrong with an app, how that is known, and what to do. */
export function register(program: Command): void {
  program
    .command('why')
    .description('Tell what is wrong with an app, how that is known, and what to do about it.')
    .argument('<app>', 'the app')
    .addHelpText(
      'after',
      '\nNothing is changed.' +
        '\nExit status: 0 it runs and nothing is wrong, 1 something is, 3 a daemon of it is not running, 4 no such app, 77 needs root.',
    )
    .action(async (app: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const host = await hostOfThisMachine();
      if (process.geteuid?.() !== 0) throw needsRoot(app);
      const gathered = await gatherFacts(host, context.paths, app);
      const { facts, startable, isWhole, findings: ofUnits } = await withUnitFacts(context.paths, gathered);
      const isDown = facts.daemons.every(({ running }) => running === undefined);
      const own = findingsOf(startable);
      const findings = [...(isWhole === true && isDown ? forWhole(own, app) : own), ...ofUnits];
      print(context.json ? jsonText(whyJson(facts, findings), 2) : whyText(facts, findings, context.color));
      process.exitCode = statusOf(facts, findings);
    });
}

/** Pure. */
export function statusOf({ daemons }: Pick<WhyFacts, 'daemons'>, findings: readonly WhyFinding[]): number {
  if (daemons.some(({ running }) => running === undefined)) return EXIT.notRunning;
  return findings.length === 0 ? EXIT.ok : EXIT.error;
}

function needsRoot(app: string): MetactlError {
  return new MetactlError(`only root can tell why ${app} is as it is`, {
    code: 'METACTL_NEEDS_ROOT',
    hint: `run it as root: sudo metactl why ${app}`,
    exitStatus: EXIT.needsRoot,
  });
}
