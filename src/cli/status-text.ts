import type { StatusRecord } from '../supervisor/control/status-record.ts';
import { escapeText } from '../util/escape.ts';
import { shortDuration } from '../util/short-duration.ts';
import { roundSize } from './ps-text.ts';
import { paintState } from './state-color.ts';

export interface StatusTextOptions {
  readonly color: boolean;
  /** Width to cut lines to; undefined: don't. */
  readonly width: number | undefined;
  /** What was shown before (`--watch`): CPU is told since then. */
  readonly before: readonly StatusRecord[] | undefined;
}

interface Column {
  readonly head: string;
  readonly right?: true;
  readonly text: (record: StatusRecord, before: StatusRecord | undefined) => string;
}

const NOTHING = '-';

const COLUMNS: readonly Column[] = [
  { head: 'DAEMON', text: ({ app, daemon }) => `${app}/${daemon}` },
  { head: 'STATE', text: (record) => `${record.state}${isOutdated(record) ? '*' : ''}` },
  { head: 'SINCE', right: true, text: ({ ageMs }) => (ageMs === null ? NOTHING : shortDuration(ageMs)) },
  { head: 'PID', right: true, text: ({ pid }) => (pid === null ? NOTHING : String(pid)) },
  { head: 'UPTIME', right: true, text: ({ uptimeMs }) => (uptimeMs === null ? NOTHING : shortDuration(uptimeMs)) },
  { head: 'RESTARTS', right: true, text: ({ restarts }) => String(restarts) },
  { head: 'MEMORY', right: true, text: ({ memory }) => (memory === null ? NOTHING : roundSize(memory)) },
  { head: 'CPU', right: true, text: cpuText },
  { head: 'TASKS', right: true, text: ({ tasks }) => (tasks === null ? NOTHING : String(tasks)) },
  { head: 'IP', text: ({ ip }) => ip ?? NOTHING },
  { head: 'PORTS', text: portsText },
];

/** As a supervisor of an older version has it, `configured` is not there. */
function isOutdated({ changed, configured }: StatusRecord): boolean {
  return changed.length > 0 || configured === false;
}

/** Last and only where somebody has one: it is wide. A supervisor of an older version tells none. */
const IP6: Column = { head: 'IPV6', text: ({ ip6 }) => ip6 ?? NOTHING };

/** The table of `metactl status`: a heading, a line per daemon, and below it what must be known beside. Pure. */
export function statusText(records: readonly StatusRecord[], options: StatusTextOptions): string {
  if (records.length === 0) return 'there are no apps on this node\n';
  const { color, width } = options;
  const columns = records.some(({ ip6 }) => ip6 != null) ? [...COLUMNS, IP6] : COLUMNS;
  const before = new Map(options.before?.map((record) => [`${record.app}/${record.daemon}`, record]));
  const rows = records.map((record) =>
    columns.map(({ text }) => text(record, before.get(`${record.app}/${record.daemon}`))),
  );
  const widths = columns.map(({ head }, at) => Math.max(head.length, ...rows.map((row) => row[at]!.length)));
  const line = (cells: readonly string[]) =>
    cut(
      cells
        .map((cell, at) => (columns[at]!.right ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)))
        .join('  ')
        .trimEnd(),
      width,
    );
  const heading = line(columns.map(({ head }) => head));
  const lines = [color ? `\x1b[1m${heading}\x1b[0m` : heading];
  for (const [index, record] of records.entries()) {
    const text = line(rows[index]!);
    // Coloured when it is as wide as it will be: escapes have no width.
    const cell = rows[index]![1]!;
    const at = widths[0]! + 2;
    const whole = text.slice(at, at + cell.length) === cell;
    lines.push(
      color && whole
        ? `${text.slice(0, at)}${paintState(record.state, cell, true)}${text.slice(at + cell.length)}`
        : text,
    );
    for (const note of notesOf(record)) lines.push(cut(`  ${escapeText(note)}`, width));
  }
  return `${lines.join('\n')}\n`;
}

/** What no column tells. */
function* notesOf({
  state,
  reason,
  statusText,
  lastExit,
  nextRetry,
  restarts,
  changed,
  configured,
  logLoss,
  ...record
}: StatusRecord): Generator<string> {
  if (reason !== null) yield reason;
  if (statusText !== null) yield `says: ${statusText}`;
  const over = state === 'failed' || state === 'maintenance' || state === 'backoff';
  // Of one that somebody started again, too: what it failed of may come back.
  if (lastExit !== null && (over || restarts > 0 || lastExit.failed) && lastExit.cause !== reason) {
    yield `last exit: ${lastExit.cause}, after ${shortDuration(lastExit.uptimeMs)}, at ${lastExit.at}`;
  }
  if (nextRetry !== null) yield `next start: ${nextRetry}`;
  // A supervisor of an older version tells none.
  if (logLoss != null) {
    const { lines, to, error, since, lasting } = logLoss;
    const were = lasting
      ? `${lines === 1 ? 'is' : 'are'} lost so far, and more will be`
      : `${lines === 1 ? 'was' : 'were'} lost`;
    yield `log: ${lines} line${lines === 1 ? '' : 's'} ${were}: ${to}: ${error}, since ${since}`;
  }
  if (configured === false) {
    // Without a supervisor it is there because it has a unit.
    yield `not in the configuration any more: metactl ${
      record.supervisor === null
        ? `install ${record.app} removes its unit`
        : `stop ${record.app} ${record.daemon} ends it`
    }`;
  }
  if (changed.length > 0) yield `restart needed: ${changed.join(', ')} changed`;
}

function cpuText(record: StatusRecord, before: StatusRecord | undefined): string {
  const { cpuUsec, uptimeMs, pid } = record;
  if (cpuUsec === null || uptimeMs === null) return NOTHING;
  const same = before?.pid === pid && before?.cpuUsec != null && before.uptimeMs !== null && before.uptimeMs < uptimeMs;
  const usec = same ? cpuUsec - before.cpuUsec! : cpuUsec;
  const span = same ? uptimeMs - before.uptimeMs! : uptimeMs;
  return span <= 0 ? NOTHING : `${(usec / span / 10).toFixed(1)}%`;
}

/** `8080` for every address, else `127.0.0.1:9001`; `…` where there may be more. */
function portsText({ ports, portsCut }: StatusRecord): string {
  const short = ports.map((port) => port.replace(/^tcp (?:0\.0\.0\.0|\[::\]):/, '').replace(/^tcp /, ''));
  const words = [...new Set(short), ...(portsCut ? ['…'] : [])];
  return words.length === 0 ? NOTHING : words.join(' ');
}

function cut(line: string, width: number | undefined): string {
  return width === undefined || line.length <= width ? line : `${line.slice(0, Math.max(width - 1, 0))}…`;
}
