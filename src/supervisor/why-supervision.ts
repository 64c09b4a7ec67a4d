import type { StatusRecord } from './control/status-record.ts';
import type { WhyFacts } from './why-facts.ts';
import type { WhyFinding } from './why-findings.ts';

type Facts = Pick<WhyFacts, 'app' | 'daemons'> & Partial<Pick<WhyFacts, 'problems'>>;

/** A state that is no longer news: what takes longer than this deserves a word. ms */
const LONG = 10_000;

/** Daemons that do not run, and what their supervisor knows about it. Pure. */
export function daemonsDoNotRun({ app, daemons, problems = [] }: Facts): readonly WhyFinding[] {
  return daemons
    .filter(({ running, status }) => running === undefined && status?.state !== 'starting')
    .map(({ name, status }) => ({
      id: 'not-running',
      severity: 'error',
      what: `${app}/${name} is not running${stateText(status)}`,
      evidence: status === undefined ? [] : evidenceOf(status),
      todo: `${problems.length > 0 ? 'correct the configuration; then ' : ''}${todoFor(app, name, status)}`,
    }));
}

/** Daemons that run but are not as they should be. Pure. */
export function daemonsAreNotWell({ app, daemons }: Facts): readonly WhyFinding[] {
  return daemons.flatMap(({ name, status }) => {
    if (status === undefined) return [];
    const { state, reason, ageMs, statusText } = status;
    const says = statusText === null ? [] : [`it says: ${statusText}`];
    if (state === 'degraded') {
      return [
        finding(
          'degraded',
          `${app}/${name} is not well${reason === null ? '' : `: ${reason}`}`,
          says,
          `look at what it says: \`metactl logs ${app} ${name}\``,
        ),
      ];
    }
    const slow = state === 'starting' || state === 'stopping' || state === 'reloading';
    if (!slow || ageMs === null || ageMs < LONG) return [];
    const evidence = [...(reason === null ? [] : [reason]), ...says];
    const key = state === 'stopping' ? 'timeout-stop-sec' : 'ready.timeout';
    return [
      finding(
        `slow-${state}`,
        `${app}/${name} has been ${state} for ${Math.round(ageMs / 1000)} s`,
        evidence,
        `wait, at most as long as [daemon.${name}] ${key} says; then it is ended`,
      ),
    ];
  });
}

/** Daemons that run now but were started again by the restart policy since somebody started them. Pure. */
export function daemonsWereRestarted({ app, daemons }: Facts): readonly WhyFinding[] {
  return daemons
    .filter(({ running, status }) => running !== undefined && (status?.restarts ?? 0) > 0)
    .map(({ name, status }) => ({
      id: 'restarted',
      severity: 'warning',
      what: `${app}/${name} ended ${status!.restarts} time${status!.restarts === 1 ? '' : 's'} and was started again`,
      evidence: evidenceOf(status!),
      todo: `find out what it ended of: \`metactl events ${app} ${name}\`, \`metactl logs ${app} ${name}\``,
    }));
}

/** Daemons that run with a configuration that is another by now. Pure. */
export function restartIsNeeded({ app, daemons }: Facts): readonly WhyFinding[] {
  return daemons
    .map(({ name, status }) => ({ name, changed: (status?.changed ?? []).filter((key) => !FIREWALL.test(key)) }))
    .filter(({ changed }) => changed.length > 0)
    .map(({ name, changed }) => ({
      id: 'restart-needed',
      severity: 'warning',
      what: `the configuration of ${app}/${name} has been changed since it was started`,
      evidence: changed,
      todo: `\`metactl restart ${app} ${name}\``,
    }));
}

/** What is said about the firewall tells more. */
const FIREWALL = /^\[firewall\.out(?:\.accept\]|\] policy$)/;

function finding(id: string, what: string, evidence: readonly string[], todo: string): WhyFinding {
  return { id, severity: 'warning', what, evidence, todo };
}

function stateText(status: StatusRecord | undefined): string {
  if (status === undefined || status.state === 'stopped') return '';
  if (status.state === 'backoff') return ': it ended, and waits for its next start';
  return `: ${status.state}${status.reason === null ? '' : `, ${status.reason}`}`;
}

function evidenceOf({ lastExit, nextRetry, restarts }: StatusRecord): string[] {
  return [
    ...(lastExit === null
      ? []
      : [`last exit: ${lastExit.cause}, after ${(lastExit.uptimeMs / 1000).toFixed(1)} s, at ${lastExit.at}`]),
    ...(restarts === 0 ? [] : [`started again ${restarts} time${restarts === 1 ? '' : 's'}`]),
    ...(nextRetry === null ? [] : [`next start: ${nextRetry}`]),
  ];
}

function todoFor(app: string, name: string, status: StatusRecord | undefined): string {
  if (status === undefined || status.state === 'stopped') return `start it: \`metactl start ${app} ${name}\``;
  const look = `look at what it said: \`metactl logs ${app} ${name}\``;
  return status.state === 'backoff' ? look : `${look}; then \`metactl start ${app} ${name}\``;
}
