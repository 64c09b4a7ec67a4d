import type { Command } from 'commander';
import { listApps } from '../config/load.ts';
import { formatProblem } from '../config/messages.ts';
import { inspectNode } from '../config/node-config.ts';
import type { Problem } from '../config/types.ts';
import { EXIT } from '../util/error.ts';
import { escapeText } from '../util/escape.ts';
import type { Paths } from '../util/paths.ts';
import { checkApp, type Findings, planOnHost, strayFiles } from './check-app.ts';
import { contextOf } from './context.ts';
import { jsonText, print } from './print.ts';

/** `metactl check [APP]`: every problem of the configuration at once. */
export function register(program: Command): void {
  program
    .command('check')
    .description('Check the configuration of an app, or of all apps and of the node, and list every problem.')
    .argument('[app]', 'the app; without it all of them, and metactl.conf')
    .addHelpText('after', '\nExit status: 0 nothing stops a start, 4 no such app, 77 needs root, 78 there are errors.')
    .action(async (app: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const results = app === undefined ? await checkAll(context.paths) : [await checkOne(context.paths, app)];
      print(context.json ? jsonText(findingsJson(results), 2) : findingsText(results, context.color));
      if (results.some(({ errors }) => errors.length > 0)) process.exitCode = EXIT.configuration;
    });
}

async function checkOne(paths: Paths, app: string): Promise<Findings> {
  return checkApp(paths, app, planOnHost(paths, app));
}

async function checkAll(paths: Paths): Promise<readonly Findings[]> {
  const node: Findings = {
    name: 'metactl.conf',
    errors: [...inspectNode(paths).problems, ...strayFiles(paths)],
    notes: [],
  };
  const results = [node];
  for (const app of listApps(paths)) {
    const found = await checkOne(paths, app);
    // What is wrong with the node has been told once.
    results.push({ ...found, errors: found.errors.filter(({ file }) => file !== paths.metactlConf) });
  }
  return results;
}

/** One line a finding, then one line a subject. Pure. */
export function findingsText(results: readonly Findings[], color: boolean): string {
  const paint = (code: number, text: string) => (color ? `\x1b[${code}m${text}\x1b[39m` : text);
  const line = (label: string, problem: Problem) => `${label}: ${escapeText(formatProblem(problem))}\n`;
  return results
    .map(({ name, errors, notes }) => {
      const lines = [
        ...errors.map((problem) => line(paint(31, 'error'), problem)),
        ...notes.map((problem) => line(paint(33, 'note'), problem)),
      ];
      return `${lines.join('')}${name}: ${errors.length === 0 ? 'ok' : count(errors.length, 'error')}${
        notes.length === 0 ? '' : `, ${count(notes.length, 'note')}`
      }\n`;
    })
    .join('');
}

/** The shape of `--json`: stable. Pure. */
export function findingsJson(results: readonly Findings[]): unknown {
  return { ok: results.every(({ errors }) => errors.length === 0), checked: results };
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
