import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../../../src/supervisor/control/event-hub.ts';
import { idleRecord, type StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { type DaemonLimits, lostOf } from '../../../src/supervisor/why-facts.ts';
import {
  daemonsAreNotConfigured,
  daemonsAreNotWell,
  daemonsDoNotRun,
  daemonsWereRestarted,
  logsLoseLines,
  restartIsNeeded,
  supervisorWasLost,
} from '../../../src/supervisor/why-supervision.ts';

const running = { pid: 7, since: 0 };
const lastExit = {
  status: 3,
  failed: true,
  cause: 'ended with status 3',
  uptimeMs: 1500,
  at: '2026-11-26T10:00:00.000Z',
};
const facts = (status: Partial<StatusRecord> | undefined, runs = false) => ({
  app: 'shop',
  daemons: [
    {
      name: 'web',
      ...(runs ? { running } : {}),
      ...(status === undefined
        ? {}
        : { status: { ...idleRecord({ node: 'n', app: 'shop', daemon: 'web' }), ...status } }),
    },
  ],
});

describe('why, by what a supervisor knows', () => {
  it('tells of a daemon that nobody started', () => {
    expect(daemonsDoNotRun(facts(undefined))).toEqual([
      {
        id: 'not-running',
        severity: 'error',
        what: 'shop/web is not running',
        evidence: [],
        todo: 'start it: `metactl start shop web`',
      },
    ]);
    expect(daemonsDoNotRun(facts(undefined, true))).toEqual([]);
    expect(daemonsDoNotRun({ ...facts(undefined), problems: ['x'] })[0]!.todo).toMatch(
      /^correct the configuration; then start it: /,
    );
  });

  it('tells how it ended, and when it is started next', () => {
    const [found] = daemonsDoNotRun(
      facts({ state: 'backoff', lastExit, restarts: 2, nextRetry: '2026-11-26T10:00:05.000Z' }),
    );
    expect(found).toMatchObject({
      what: 'shop/web is not running: it ended, and waits for its next start',
      evidence: [
        'last exit: ended with status 3, after 1.5 s, at 2026-11-26T10:00:00.000Z',
        'started again 2 times',
        'next start: 2026-11-26T10:00:05.000Z',
      ],
      todo: 'look at what it said: `metactl logs shop web`',
    });
    const [gaveUp] = daemonsDoNotRun(facts({ state: 'maintenance', reason: 'started again 5 times' }));
    expect(gaveUp).toMatchObject({
      what: 'shop/web is not running: maintenance, started again 5 times',
      todo: 'look at what it said: `metactl logs shop web`; then `metactl start shop web`',
    });
  });

  it('tells of what runs and is not well', () => {
    expect(daemonsAreNotWell(facts({ state: 'degraded', reason: 'http 503', statusText: 'busy' }, true))).toMatchObject(
      [{ id: 'degraded', what: 'shop/web is not well: http 503', evidence: ['it says: busy'] }],
    );
    expect(daemonsAreNotWell(facts({ state: 'starting', ageMs: 20_000 }))).toMatchObject([
      { id: 'slow-starting', what: 'shop/web has been starting for 20 s' },
    ]);
    expect(daemonsAreNotWell(facts({ state: 'starting', ageMs: 200 }))).toEqual([]);
    expect(daemonsAreNotWell(facts({ state: 'running' }, true))).toEqual([]);
  });

  it('tells how long what is on its way may take, and what then', () => {
    const limits = { start: 90_000, reload: 90_000, stop: 30_000 };
    const todo = (state: string, change: Partial<DaemonLimits> | undefined) => {
      const { app, daemons } = facts({ state, ageMs: 20_000 }, true);
      const known = daemons.map((one) => (change === undefined ? one : { ...one, limits: { ...limits, ...change } }));
      return daemonsAreNotWell({ app, daemons: known })[0]!.todo;
    };
    const kill = '`metactl stop shop web --kill` kills it at once';
    const look = 'look at what it says: `metactl logs shop web`';
    expect(todo('stopping', {})).toBe(
      `wait: it has 30s, [daemon.web] timeout-stop-sec, or as long as it asks for; then it is killed; ${kill}`,
    );
    expect(todo('stopping', { stop: Number.POSITIVE_INFINITY })).toBe(
      `${look}; it may take as long as it likes ([daemon.web] timeout-stop-sec); ${kill}`,
    );
    expect(todo('stopping', undefined)).toBe(
      `wait: it has [daemon.web] timeout-stop-sec, or as long as it asks for; then it is killed; ${kill}`,
    );
    expect(todo('starting', {})).toBe(
      'wait: it has 90s, [daemon.web] ready.timeout, or as long as it asks for; then it is ended',
    );
    expect(todo('starting', { start: undefined })).toBe(look);
    expect(todo('reloading', {})).toBe(
      'wait: it has 90s, [daemon.web] ready.timeout, or as long as it asks for; then it counts as not well, and runs on',
    );
    expect(todo('reloading', { reload: Number.POSITIVE_INFINITY })).toBe(
      `${look}; it may take as long as it likes ([daemon.web] ready.timeout)`,
    );
  });

  it('tells of what was started again, and what must be', () => {
    expect(daemonsWereRestarted(facts({ state: 'running', restarts: 1, lastExit }, true))).toMatchObject([
      { id: 'restarted', what: 'shop/web ended 1 time and was started again' },
    ]);
    expect(restartIsNeeded(facts({ state: 'running', changed: ['[env] A'] }, true))).toMatchObject([
      { id: 'restart-needed', evidence: ['[env] A'], todo: '`metactl restart shop web`' },
    ]);
    expect(restartIsNeeded(facts({ changed: ['[firewall.out] policy', '[firewall.out.accept] db'] }, true))).toEqual(
      [],
    );
    expect([...daemonsWereRestarted(facts({}, true)), ...restartIsNeeded(facts({}, true))]).toEqual([]);
  });
});

describe('why, of a log that loses lines', () => {
  const now = Date.parse('2026-11-26T11:00:00.000Z');
  const logLoss = {
    ...{ lines: 17, to: '/var/log/metactl/shop/web.log', error: 'ENOSPC', lasting: true },
    ...{ since: '2026-11-26T10:00:00.000Z', last: '2026-11-26T10:30:00.000Z' },
  };
  const found = (change: Partial<typeof logLoss>) =>
    logsLoseLines({ ...facts({ logLoss: { ...logLoss, ...change } }, true), now });

  it('tells how many, where to, since when, and what to do', () => {
    expect(found({})).toEqual([
      {
        id: 'log-lines-lost',
        severity: 'error',
        what: "the log of shop/web can't be written: what it says is lost",
        evidence: [
          '/var/log/metactl/shop/web.log: ENOSPC',
          '17 lines lost from 2026-11-26T10:00:00.000Z to 2026-11-26T10:30:00.000Z',
        ],
        todo: 'make room: `df -h /var/log/metactl/shop`, `df -i /var/log/metactl/shop`; metactl tries again every second',
      },
    ]);
    const remedies = ['EDQUOT', 'EROFS', 'ECONNREFUSED'].map((error) => found({ error })[0]!.todo);
    expect(remedies).toEqual([
      'make room, or raise the quota that /var/log/metactl/shop is under; metactl tries again every second',
      'look at the disk below /var/log/metactl/shop: `dmesg`, `findmnt -T /var/log/metactl/shop`; metactl tries again every second',
      'see to it that /var/log/metactl/shop/web.log can be written; metactl tries again every second',
    ]);
  });

  it('tells it for an hour after it is written again', () => {
    const [over] = found({ lasting: false, lines: 1 });
    expect(over).toMatchObject({ severity: 'warning', what: '1 line of shop/web is not in its log' });
    expect(over!.todo).toBe('it is written again; `metactl logs shop web` shows where lines are missing');
    expect(found({ lasting: false, last: '2026-11-26T09:59:59.000Z' })).toEqual([]);
    expect(logsLoseLines({ ...facts(undefined, true), now })).toEqual([]);
  });
});

describe('why, of a daemon that was taken out of the configuration', () => {
  it('tells that it runs on', () => {
    expect(daemonsAreNotConfigured(facts({ configured: false }, true))).toMatchObject([
      { id: 'not-configured', severity: 'warning', evidence: ['there is no [daemon.web]'] },
    ]);
    expect(daemonsAreNotConfigured(facts({}, true))).toEqual([]);
  });
});

it('a supervisor that went without a word is told for an hour', () => {
  const now = Date.parse('2026-11-26T10:00:00.000Z');
  const event = (time: string, more: object): EventRecord => ({
    ...{
      seq: 1,
      time,
      app: 'shop',
      daemon: 'web',
      event: 'warning',
      state: null,
      text: 'ended with its supervisor: so',
    },
    ...more,
  });
  const supervisor = { pid: 7, since: '2026-11-26T08:00:00.000Z' };
  const events = [
    event('2026-11-26T08:59:00.000Z', { supervisor }),
    event('2026-11-26T09:01:00.000Z', { supervisor }),
    event('2026-11-26T09:02:00.000Z', {}),
  ];
  const lost = lostOf(events, now);
  expect(lost).toHaveLength(1);
  expect(supervisorWasLost({ app: 'shop', lost })).toEqual([
    {
      id: 'supervisor-lost',
      severity: 'warning',
      what: 'shop/web ended with its supervisor',
      evidence: ['so'],
      todo: 'find out what ended it: `dmesg`, `journalctl`, and /var/log/metactl/supervisor.log tell more',
    },
  ]);
});
