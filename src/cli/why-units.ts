import { inspectNode } from '../config/node-config.ts';
import type { Misfit } from '../service/misfits.ts';
import { misfitsOf } from '../service/misfits.ts';
import { guessUnits } from '../service/unit-guess.ts';
import { idleRecord, type StatusRecord } from '../supervisor/control/status-record.ts';
import type { WhyFacts } from '../supervisor/why-facts.ts';
import type { WhyFinding } from '../supervisor/why-findings.ts';
import { MetactlError, messageLines } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { withUnits } from './status-idle.ts';
import { drivers } from './units.ts';

/** What the service manager knows beside what `why` has gathered. */
export interface UnitFacts {
  readonly facts: WhyFacts;
  /** One unit has all daemons: where it is down, only the whole of it can be started. */
  readonly isWhole?: boolean;
  /** The same without what can't be started before it has a unit: `findings` tells of that. */
  readonly startable: WhyFacts;
  readonly findings: readonly WhyFinding[];
}

/**
 * The facts about an app that has units, with what the service manager knows about daemons that no supervisor runs: why a unit gave up,
 * or is started again and again; and units that no longer fit the configuration. Where the manager doesn't answer that is a finding:
 * the others hold all the same.
 */
export async function withUnitFacts(paths: Paths, facts: WhyFacts): Promise<UnitFacts> {
  const { app, daemons } = facts;
  if (!guessUnits(paths.nodeId)(app)) return { facts, startable: facts, findings: [] };
  try {
    const [driven] = await drivers(paths, [app]);
    if (driven === undefined) return { facts, startable: facts, findings: [] };
    const { name: node } = inspectNode(paths).node;
    const asRecords = daemons.map(({ name: daemon, status }) => status ?? idleRecord({ node, app, daemon }));
    const records = await withUnits(asRecords, [driven]);
    const configured = daemons.filter(({ status }) => status?.configured !== false).map(({ name }) => name);
    // Of a configuration with errors nobody knows all daemons.
    const misfits = facts.problems.length > 0 ? [] : misfitsOf(driven.installed, { daemons: configured });
    const known = withRecords(facts, records);
    const startable = withoutUnitless(known, misfits);
    const isWhole = driven.installed.units.every((one) => one.daemon === undefined);
    return { facts: known, startable, isWhole, findings: misfits.map((misfit) => findingOf(app, misfit)) };
  } catch (error) {
    if (!(error instanceof MetactlError)) throw error;
    return { facts, startable: facts, findings: [notTold(app, error)] };
  }
}

/** Without what nobody runs and can't be started before it has a unit. Pure. */
export function withoutUnitless(facts: WhyFacts, misfits: readonly Misfit[]): WhyFacts {
  const isUnitless = (name: string) => misfits.some(({ daemon, isMissing }) => isMissing === true && daemon === name);
  return {
    ...facts,
    daemons: facts.daemons.filter(
      ({ name, running, status }) => running !== undefined || status !== undefined || !isUnitless(name),
    ),
  };
}

/** Pure. */
export function withRecords(facts: WhyFacts, records: readonly StatusRecord[]): WhyFacts {
  const daemons = facts.daemons.map((one) => {
    const record = records.find(({ daemon }) => daemon === one.name);
    // Of one that nobody knows `stopped` is no news.
    if (record === undefined || (one.status === undefined && record.state === 'stopped')) return one;
    return { ...one, status: record };
  });
  return { ...facts, daemons };
}

/** Pure. */
export function notTold(app: string, error: MetactlError): WhyFinding {
  return {
    id: 'units-unknown',
    severity: 'warning',
    what: `nothing is known about the units of ${app}: the service manager could not be asked`,
    evidence: messageLines(error),
    todo: error.hint ?? `run \`metactl why ${app}\` again when the service manager answers`,
  };
}

function findingOf(app: string, { text }: Misfit): WhyFinding {
  const [what = text, todo = `\`metactl install ${app}\``] = text.split(': ');
  return { id: 'unit-misfit', severity: 'warning', what, evidence: [], todo };
}

/** Advice that can be followed where one unit has all daemons and none of them runs. Pure. */
export function forWhole(findings: readonly WhyFinding[], app: string): readonly WhyFinding[] {
  const start = new RegExp(`\`metactl start ${app} [a-z][a-z0-9-]*\``, 'g');
  return findings.map((one) => ({ ...one, todo: one.todo.replace(start, `\`metactl start ${app}\``) }));
}
