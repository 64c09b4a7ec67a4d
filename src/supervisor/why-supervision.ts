import { formatDuration } from '../util/duration.ts';
import type { StatusRecord } from './control/status-record.ts';
import type { DaemonLimits, WhyFacts } from './why-facts.ts';
import type { WhyFinding } from './why-findings.ts';

type Facts = Pick<WhyFacts, 'app' | 'daemons'> & Partial<Pick<WhyFacts, 'problems'>>;

/** A state that is no longer news: what takes longer than this deserves a word. ms */
const LONG = 10_000;

/** Daemons that do not run, and what their supervisor knows about it. Pure. */
export function daemonsDoNotRun({ app, daemons, problems = [] }: Facts): readonly WhyFinding[] {
  return (
    daemons
      // One that a supervisor is starting is slow at worst. A unit that the service manager tries to start has none for long.
      .filter(({ running, status }) => running === undefined && (status?.state !== 'starting' || status.ageMs === null))
      .map(({ name, status }) => ({
        id: 'not-running',
        severity: 'error',
        what: `${app}/${name} is not running${stateText(status)}`,
        evidence: status === undefined ? [] : evidenceOf(status),
        todo: `${problems.length > 0 ? 'correct the configuration; then ' : ''}${todoFor(app, name, status)}`,
      }))
  );
}

/** Daemons that run but are not as they should be. Pure. */
export function daemonsAreNotWell({ app, daemons }: Facts): readonly WhyFinding[] {
  return daemons.flatMap(({ name, status, limits }) => {
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
    if (!isSlow(state) || ageMs === null || ageMs < LONG) return [];
    const evidence = [...(reason === null ? [] : [reason]), ...says];
    const what = `${app}/${name} has been ${state} for ${Math.round(ageMs / 1000)} s`;
    return [finding(`slow-${state}`, what, evidence, untilWhen(app, name, state, limits))];
  });
}

type Slow = 'starting' | 'stopping' | 'reloading';

function isSlow(state: string): state is Slow {
  return state === 'starting' || state === 'stopping' || state === 'reloading';
}

const FOR_THAT: Readonly<Record<Slow, readonly [limit: keyof DaemonLimits, key: string, then: string]>> = {
  starting: ['start', 'ready.timeout', 'is ended'],
  stopping: ['stop', 'timeout-stop-sec', 'is killed'],
  reloading: ['reload', 'ready.timeout', 'counts as not well, and runs on'],
};

/** How long one that is on its way may be, and what then. Pure. @param limits where its configuration is known. */
function untilWhen(app: string, name: string, state: Slow, limits: DaemonLimits | undefined): string {
  const [limit, key, then] = FOR_THAT[state];
  const time = limits?.[limit];
  const look = `look at what it says: \`metactl logs ${app} ${name}\``;
  const kill = state === 'stopping' ? `\`metactl stop ${app} ${name} --kill\` kills it at once` : undefined;
  if (limits !== undefined && time === undefined) return look;
  if (time === Number.POSITIVE_INFINITY) {
    return `${look}; it may take as long as it likes ([daemon.${name}] ${key})${kill === undefined ? '' : `; ${kill}`}`;
  }
  const has = time === undefined ? '' : `${formatDuration(time)}, `;
  return `wait: it has ${has}[daemon.${name}] ${key}, or as long as it asks for; then it ${then}${kill === undefined ? '' : `; ${kill}`}`;
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

/** Daemons that ended only because their supervisor did, against its will. Pure. */
export function supervisorWasLost({ app, lost }: Pick<WhyFacts, 'app' | 'lost'>): readonly WhyFinding[] {
  return lost.map(({ daemon, text }) =>
    finding(
      'supervisor-lost',
      `${app}/${daemon} ended with its supervisor`,
      [text.replace(/^ended with its supervisor: /, '')],
      'find out what ended it: `dmesg`, `journalctl`, and /var/log/metactl/supervisor.log tell more',
    ),
  );
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

/** Daemons that run though they were taken out of the configuration. Pure. */
export function daemonsAreNotConfigured({ app, daemons }: Facts): readonly WhyFinding[] {
  return daemons
    .filter(({ status }) => status?.configured === false)
    .map(({ name }) =>
      finding(
        'not-configured',
        `${app}/${name} runs, but is not in the configuration any more`,
        [`there is no [daemon.${name}]`],
        `\`metactl stop ${app} ${name}\` ends it; if it is to stay, put [daemon.${name}] back`,
      ),
    );
}

/** Lines that are missing in a log: they still go missing, or did so a short time ago. Pure. */
export function logsLoseLines({ app, daemons, now }: Facts & Pick<WhyFacts, 'now'>): readonly WhyFinding[] {
  return daemons.flatMap(({ name, status }) => {
    const loss = status?.logLoss;
    // A supervisor of an older version tells none.
    if (loss == null || (!loss.lasting && now - Date.parse(loss.last) > TOLD)) return [];
    const { lines, to, error, since, last, lasting } = loss;
    const many = `${lines} line${lines === 1 ? '' : 's'}`;
    return [
      {
        id: 'log-lines-lost',
        severity: lasting ? 'error' : 'warning',
        what: lasting
          ? `the log of ${app}/${name} can't be written: what it says is lost`
          : `${many} of ${app}/${name} ${lines === 1 ? 'is' : 'are'} not in its log`,
        evidence: [`${to}: ${error}`, `${many} lost from ${since} to ${last}`],
        todo: lasting
          ? `${remedyFor(error, to)}; metactl tries again every second`
          : `it is written again; \`metactl logs ${app} ${name}\` shows where lines are missing`,
      },
    ];
  });
}

/** How long a log that is written again is still told of. ms */
const TOLD = 3_600_000;

/** What to do about a log that is refused. Pure. */
function remedyFor(error: string, to: string): string {
  const directory = to.replace(/\/[^/]*$/, '') || '/';
  if (error === 'ENOSPC') return `make room: \`df -h ${directory}\`, \`df -i ${directory}\``;
  if (error === 'EDQUOT') return `make room, or raise the quota that ${directory} is under`;
  if (error === 'EROFS' || error === 'EIO')
    return `look at the disk below ${directory}: \`dmesg\`, \`findmnt -T ${directory}\``;
  return `see to it that ${to} can be written`;
}

/** What is said about the firewall tells more. */
const FIREWALL = /^\[firewall\.out(?:\.accept\]|\] policy$)/;

function finding(id: string, what: string, evidence: readonly string[], todo: string): WhyFinding {
  return { id, severity: 'warning', what, evidence, todo };
}

function stateText(status: StatusRecord | undefined): string {
  if (status === undefined || status.state === 'stopped') return '';
  if (status.state === 'backoff') return ': it ended, and waits for its next start';
  const { state, reason } = status;
  // A unit's status text may begin with it.
  if (reason?.startsWith(`${state}: `) === true) return `: ${reason}`;
  return `: ${state}${reason === null ? '' : `, ${reason}`}`;
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
