import { isUtf8 } from 'node:buffer';
import type { LogRecord } from '../supervisor/logs/read/reader.ts';
import { escapeBytes } from '../util/escape.ts';
import { jsonText } from './print.ts';

export interface LogFormat {
  readonly app: string;
  /** Of the column with the daemon's name; 0: there is none. */
  readonly width: number;
  readonly raw: boolean;
  readonly json: boolean;
  readonly color: boolean;
}

const RED = '\x1b[31m';
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';

/** How a line is shown. Pure. */
export function formatterOf({ app, width, raw, json, color }: LogFormat): (record: LogRecord) => string | Buffer {
  if (json) return (record) => jsonText(logJson(app, record));
  if (raw) return rawText;
  return (record) => {
    const text = escapeBytes(record.text);
    const time = new Date(record.time).toISOString();
    const name = width === 0 ? '' : `${record.daemon.padEnd(width)} `;
    const head = `${time} ${name}${record.stream}${record.mark}`;
    if (!color) return `${head} ${text}\n`;
    return `${DIM}${head}${PLAIN} ${record.stream === 'out' ? text : `${RED}${text}${PLAIN}`}\n`;
  };
}

/** What the daemon wrote; a line feed only where it wrote one. */
function rawText({ mark, text }: LogRecord): Buffer {
  return mark === ':' ? Buffer.concat([text, LINE_FEED]) : text;
}

const LINE_FEED = Buffer.from('\n');

/** The documented shape of `--json`. Pure. */
export function logJson(app: string, { time, daemon, stream, pid, mark, text }: LogRecord): object {
  return {
    time: new Date(time).toISOString(),
    app,
    daemon,
    stream,
    pid,
    message: text.toString('utf8'),
    ...(isUtf8(text) ? {} : { bytes: text.toString('base64') }),
    ...(mark === '+' ? { continued: true } : mark === '~' ? { unended: true } : {}),
  };
}
