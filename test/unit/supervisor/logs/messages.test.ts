import { expect, test } from 'vitest';
import { journalForm, syslogForm } from '../../../../src/supervisor/logs/messages.ts';

test('journald gets fields, the text last', () => {
  const { envelope, same } = journalForm('/socket', 'shop', 'web');
  const origin = { stream: 'err', pid: 7, time: 0 } as const;
  const { head, continued, unended, tail, memfd } = envelope(origin);
  expect(head.toString()).toBe(
    'PRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=shop/web\nSYSLOG_PID=7\n' +
      'METACTL_APP=shop\nMETACTL_DAEMON=web\nMETACTL_STREAM=err\nMETACTL_PID=7\nMESSAGE=',
  );
  expect(continued.toString()).toBe(head.toString().replace('MESSAGE=', 'METACTL_CONTINUED=1\nMESSAGE='));
  expect(unended.toString()).toBe(head.toString().replace('MESSAGE=', 'METACTL_UNENDED=1\nMESSAGE='));
  expect([tail.toString(), memfd]).toEqual(['\n', true]);
  expect(same(origin, { ...origin, time: 9 })).toBe(true);
  expect(same(origin, { ...origin, stream: 'out' })).toBe(false);
  expect(same(origin, { ...origin, pid: 8 })).toBe(false);
});

test('syslog gets RFC 3164 with the local time', () => {
  const { envelope, same } = syslogForm('/dev/log', 'shop', 'web');
  const time = new Date(2026, 10, 6, 3, 4, 5).getTime();
  const { head, continued, unended, tail, memfd } = envelope({ stream: 'out', pid: 7, time });
  expect(head.toString()).toBe('<30>Nov  6 03:04:05 shop/web[7]: ');
  expect([continued, unended]).toEqual([head, head]);
  expect([tail.length, memfd]).toEqual([0, false]);
  expect(same({ stream: 'out', pid: 7, time }, { stream: 'err', pid: 7, time: time + 999 })).toBe(true);
  expect(same({ stream: 'out', pid: 7, time }, { stream: 'out', pid: 7, time: time + 1000 })).toBe(false);
});
