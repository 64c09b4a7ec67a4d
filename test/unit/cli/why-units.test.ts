import { expect, it } from 'vitest';
import { forWhole, notTold, withoutUnitless, withRecords } from '../../../src/cli/why-units.ts';
import { idleRecord } from '../../../src/supervisor/control/status-record.ts';
import type { WhyFacts } from '../../../src/supervisor/why-facts.ts';
import { findingsOf } from '../../../src/supervisor/why-findings.ts';
import { MetactlError } from '../../../src/util/error.ts';

const facts: WhyFacts = {
  ...{ app: 'shop', now: 0, nodeFile: '/n.conf', problems: [], network: 'host', filtered: [], troubles: [], lost: [] },
  ...{ address: undefined, address6: undefined, configured: undefined, firewall: undefined },
  daemons: [{ name: 'db' }, { name: 'web' }, { name: 'mail', running: { pid: 7, since: 0 } }],
};
const record = (daemon: string) => idleRecord({ node: 'n', app: 'shop', daemon });

it('what a unit says is told of daemons that nobody runs', () => {
  const late = { ...record('db'), state: 'starting', reason: 'not ready in time (TimeoutStartSec=8s)' };
  const told = (records: readonly ReturnType<typeof record>[]) =>
    findingsOf(withRecords(facts, records)).map(({ what, todo }) => [what, todo]);
  const unknown = ['shop/db is not running', 'start it: `metactl start shop db`'];
  const web = ['shop/web is not running', 'start it: `metactl start shop web`'];
  expect(told([])).toEqual([unknown, web]);
  expect(told([record('db'), record('web'), record('mail')])).toEqual([unknown, web]);
  const failed = { ...record('web'), state: 'failed', reason: 'failed: ended with status 3' };
  expect(told([failed])[1]![0]).toBe('shop/web is not running: failed: ended with status 3');
  expect(told([late, record('web'), record('mail')])).toEqual([
    [
      'shop/db is not running: starting, not ready in time (TimeoutStartSec=8s)',
      'look at what it said: `metactl logs shop db`; then `metactl start shop db`',
    ],
    web,
  ]);
});

it('a service manager that does not answer is told of', () => {
  const error = new MetactlError('systemctl show: Failed to connect to bus', { code: 'METACTL_SERVICE', step: 'ask' });
  expect(notTold('shop', error)).toMatchObject({
    evidence: ['systemctl show: Failed to connect to bus'],
    todo: 'run `metactl why shop` again when the service manager answers',
  });
});

it('what has no unit yet is not to be started', () => {
  const misfits = [
    { daemon: 'web', text: 'shop/web has no unit: metactl install shop makes one', isMissing: true as const },
  ];
  expect(withoutUnitless(facts, misfits).daemons.map(({ name }) => name)).toEqual(['db', 'mail']);
  const run = [
    { daemon: 'mail', text: 'shop/mail has no unit: metactl install shop makes one', isMissing: true as const },
  ];
  expect(withoutUnitless(facts, run).daemons).toEqual(facts.daemons);
});

it('where one unit has all daemons and is down, the whole of it is to be started', () => {
  expect(forWhole(findingsOf(facts), 'shop').map(({ todo }) => todo)).toEqual([
    'start it: `metactl start shop`',
    'start it: `metactl start shop`',
  ]);
});
