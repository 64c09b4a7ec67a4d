import type { ProcessInfo } from '../host/process-info.ts';

export interface PsTextOptions {
  /** Columns for what was not named on the command line. */
  readonly app: boolean;
  readonly daemon: boolean;
  /** Width to cut commands to; undefined: don't. */
  readonly width: number | undefined;
  readonly color: boolean;
}

interface Column {
  readonly head: string;
  readonly right: boolean;
  readonly text: (process: ProcessInfo) => string;
}

const APP: Column = { head: 'APP', right: false, text: (process) => process.app };
/** Only where something is not isolated. */
const NETWORK: Column = {
  head: 'NETWORK',
  right: false,
  text: ({ network = '-' }) => (network === 'host' ? 'host!' : network),
};
const DAEMON: Column = { head: 'DAEMON', right: false, text: (process) => process.daemon };
const COLUMNS: readonly Column[] = [
  { head: 'PID', right: true, text: (process) => String(process.pid) },
  {
    head: 'INSIDE',
    right: true,
    text: (process) => (process.insidePid === undefined ? '-' : String(process.insidePid)),
  },
  { head: 'USER', right: false, text: userText },
  { head: 'RSS', right: true, text: (process) => roundSize(process.rss) },
  { head: 'CPU', right: true, text: (process) => `${(process.cpu * 100).toFixed(1)}%` },
  { head: 'TIME', right: true, text: (process) => cpuTime(process.cpuTime) },
  {
    head: 'COMMAND',
    right: false,
    text: (process) => (process.state === 'Z' ? `${process.command} (ended)` : process.command),
  },
];

/** `589824/0`: uid 589824 on the host, root inside. */
function userText({ user, insideUid }: ProcessInfo): string {
  return insideUid === undefined ? user : `${user}/${insideUid}`;
}

/** The table of `metactl ps`, a heading and one line per process; `host!` is a process in the host's network. Pure. */
export function psText(processes: readonly ProcessInfo[], options: PsTextOptions): string {
  const shared = processes.some(({ network }) => network === 'host');
  const columns = [
    ...(options.app ? [APP] : []),
    ...(options.daemon ? [DAEMON] : []),
    ...(shared ? [NETWORK] : []),
    ...COLUMNS,
  ];
  const rows = [
    columns.map(({ head }) => head),
    ...processes.map((process) => columns.map(({ text }) => text(process))),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) => {
    const cells = row.map((cell, at) => {
      if (columns[at]!.right) return cell.padStart(widths[at]!);
      return at === columns.length - 1 ? cell : cell.padEnd(widths[at]!);
    });
    return cut(cells.join('  '), options.width);
  });
  if (options.color) lines[0] = `\u001b[1m${lines[0]}\u001b[0m`;
  return `${lines.join('\n')}\n`;
}

function cut(line: string, width: number | undefined): string {
  return width === undefined || line.length <= width ? line : `${line.slice(0, Math.max(width - 1, 0))}…`;
}

/** Three digits are enough to compare: `812k`, `48.2m`, `1.50g`. Pure. */
export function roundSize(bytes: number): string {
  const units = ['', 'k', 'm', 'g', 't'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${units[unit]}`;
}

/** `0:01.23` below an hour, `1:02:03` from there on. Pure. */
export function cpuTime(microseconds: number): string {
  const hundredths = Math.floor(microseconds / 10_000);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const seconds = Math.floor(hundredths / 100);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}.${two(hundredths % 100)}`;
  return `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}
