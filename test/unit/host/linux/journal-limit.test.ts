import { expect, test } from 'vitest';
import { journalFinding } from '../../../../src/cli/doctor-journal.ts';
import { unitOf } from '../../../../src/host/linux/journal-limit.ts';

test.each([
  ['0::/user.slice/user-0.slice/session-3.scope\n', 'session-3.scope'],
  ['0::/system.slice/metactl-shop.slice/metactl.shop.web.service/supervisor\n', 'metactl.shop.web.service'],
  ['0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n', 'user@1000.service'],
  ['9:memory:/x.scope\n1:name=systemd:/system.slice/ssh.service\n0::/\n', 'ssh.service'],
  ['0::/\n', undefined],
  ['0::/metactl/shop\n', undefined],
  ['', undefined],
])('journald takes what is in %j for the unit %s', (text, unit) => {
  expect(unitOf(text)).toBe(unit);
});

test('doctor tells whose lines journald may drop', () => {
  expect(journalFinding('shop', 'session-3.scope')).toMatchObject({
    name: 'journal shop',
    state: 'warning',
    meaning: expect.stringContaining('shop logs to the journal from session-3.scope'),
    mend: expect.stringContaining('metactl install shop'),
  });
});
