import type { Envelope } from '../../host/log-host.ts';
import type { DatagramForm } from './datagram-sink.ts';
import type { Origin } from './line.ts';

const NONE: Buffer = Buffer.alloc(0);
/** RFC 5424, section 6.2.1: facility 3 (system daemons), severity 6 (informational). What is grave only the app knows. */
const PRIORITY = 3 * 8 + 6;
const SEVERITY = PRIORITY % 8;

/** The name that syslog and journald show. */
export function identifierOf(app: string, daemon: string): string {
  return `${app}/${daemon}`;
}

/**
 * Journald's native protocol: `FIELD=value` lines in one datagram. The text is the last field; as it has no line feed, it
 * can add no other. Pure.
 */
export function journalForm(path: string, app: string, daemon: string): DatagramForm {
  const fields = ({ stream, pid }: Origin) =>
    `PRIORITY=${SEVERITY}\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=${identifierOf(app, daemon)}\nSYSLOG_PID=${pid}\n` +
    `METACTL_APP=${app}\nMETACTL_DAEMON=${daemon}\nMETACTL_STREAM=${stream}\nMETACTL_PID=${pid}\n`;
  return {
    path,
    same: (a, b) => a.stream === b.stream && a.pid === b.pid,
    envelope: (origin): Envelope => ({
      head: Buffer.from(`${fields(origin)}MESSAGE=`),
      continued: Buffer.from(`${fields(origin)}METACTL_CONTINUED=1\nMESSAGE=`),
      unended: Buffer.from(`${fields(origin)}METACTL_UNENDED=1\nMESSAGE=`),
      tail: Buffer.from('\n'),
      memfd: true,
    }),
  };
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** RFC 3164, as syslog(3) writes it to /dev/log: every syslog daemon understands that, and not all RFC 5424. Pure. */
export function syslogForm(path: string, app: string, daemon: string): DatagramForm {
  const second = ({ time }: Origin) => Math.floor(time / 1000);
  return {
    path,
    same: (a, b) => a.pid === b.pid && second(a) === second(b),
    envelope: ({ pid, time }): Envelope => {
      const at = new Date(time);
      const two = (value: number) => String(value).padStart(2, '0');
      const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
      const date = `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)}`;
      const head = Buffer.from(`<${PRIORITY}>${date} ${clock} ${identifierOf(app, daemon)}[${pid}]: `);
      return { head, continued: head, unended: head, tail: NONE, memfd: false };
    },
  };
}
