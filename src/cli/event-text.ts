import type { EventRecord } from '../supervisor/control/event-hub.ts';
import { escapeText } from '../util/escape.ts';
import { paintState } from './state-color.ts';

/** One event as a line for people: `12:00:01.234 myapp/web ready`; `dated`: with its date, as in `logs`. Pure. */
export function eventText(record: EventRecord, color: boolean, dated = false): string {
  const { time, app, daemon, event, state } = record;
  return `${dated ? time : time.slice(11, 23)} ${app}/${daemon} ${paintState(state ?? event, event, color)}${escapeText(detailOf(record))}`;
}

function detailOf(record: EventRecord): string {
  const text = (key: string) => (typeof record[key] === 'string' && record[key] !== '' ? `: ${record[key]}` : '');
  switch (record.event) {
    case 'running':
      return ` (pid ${record.pid})`;
    case 'starting':
      return record.cause === 'automatic' ? ' again' : '';
    case 'ended':
      return text('cause');
    case 'backoff':
      return record.delay === 0 ? ': starting it again at once' : `: starting it again in ${record.delay} ms`;
    case 'start-failed':
      return text('error');
    case 'waiting':
      return ` for ${(record.daemons as readonly string[]).join(' and ')}`;
    default:
      return text('reason') || text('text');
  }
}
