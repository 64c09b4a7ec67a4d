import { describe, expect, it } from 'vitest';
import { unitRecords, withStates, withUnits } from '../../../src/cli/status-idle.ts';
import type { InstalledApp, UnitState } from '../../../src/service/manager.ts';
import { idleRecord, type StatusRecord } from '../../../src/supervisor/control/status-record.ts';

const unitOf = (daemon: string) => ({ daemon, unit: `metactl.shop.${daemon}.service` });
const installed: InstalledApp = { app: 'shop', nodeId: '', files: [], units: ['db', 'web', 'old'].map(unitOf) };
const shared: InstalledApp = { ...installed, units: [{ daemon: undefined, unit: 'metactl.shop.service' }] };

const idle = (daemon: string, more: Partial<StatusRecord> = {}): StatusRecord => ({
  ...idleRecord({ node: 'n1', app: 'shop', daemon }),
  ...more,
});
const standalone = { pid: 7, kind: 'standalone' } as const;
const running = idle('db', { state: 'ready', ready: true, pid: 4711, supervisor: { pid: 8, kind: 'run' } });
const state = (daemon: string, how: UnitState['state'], reason?: string): UnitState => ({
  ...{ unit: unitOf(daemon).unit, state: how },
  ...(reason === undefined ? {} : { reason }),
});
const brief = (records: readonly StatusRecord[]) =>
  records.map((one) => [one.daemon, one.state, one.reason, one.configured]);

describe('daemons that no supervisor told of', () => {
  const app = { node: 'n1', known: [running], configured: ['db', 'web', 'third'], installed, daemon: undefined };
  it('are those of the configuration, and of units that it does not have any more', () => {
    expect(brief(unitRecords(app))).toEqual([
      ['web', 'stopped', null, true],
      ['third', 'stopped', null, true],
      ['old', 'stopped', null, false],
    ]);
  });
  it('are only the one that is asked for', () => {
    expect(brief(unitRecords({ ...app, daemon: 'old' }))).toEqual([['old', 'stopped', null, false]]);
    expect(unitRecords({ ...app, daemon: 'db' })).toEqual([]);
    expect(unitRecords({ ...app, daemon: 'nobody' })).toEqual([]);
  });
  it('are those of units, where the configuration can’t be read', () => {
    expect(brief(unitRecords({ ...app, configured: undefined }))).toEqual([
      ['web', 'stopped', null, true],
      ['old', 'stopped', null, true],
    ]);
  });
});

describe('what the service manager knows better', () => {
  const failed = [state('db', 'failed', 'not of this run'), state('web', 'failed', 'ended with status 3')];
  const outcome = (records: StatusRecord[], states = failed, app = installed) =>
    brief(withStates(records, [app], states));
  it('is how a unit is that nobody runs, beside one that runs', () => {
    expect(outcome([running, idle('web'), idle('third')])).toEqual([
      ['db', 'ready', null, true],
      ['web', 'failed', 'ended with status 3', true],
      ['third', 'stopped', null, true],
    ]);
  });
  it('wins over what the supervisor of the node knew once, but not over what it does', () => {
    const once = idle('web', { since: '2026-11-26T10:00:00.000Z', ageMs: 5, supervisor: standalone });
    const [record] = withStates([once], [installed], failed);
    expect([record?.state, record?.since, record?.ageMs, record?.supervisor]).toEqual(['failed', null, null, null]);
    expect(outcome([idle('web', { state: 'backoff', supervisor: standalone })])).toEqual([
      ['web', 'backoff', null, true],
    ]);
    expect(withStates([once], [installed], [state('web', 'stopped')])).toEqual([once]);
    const gaveUp = idle('web', { state: 'failed', reason: 'ended with status 4', supervisor: standalone });
    expect(outcome([gaveUp])).toEqual([['web', 'failed', 'ended with status 3', true]]);
    expect(withStates([gaveUp], [installed], [state('web', 'stopped')])).toEqual([gaveUp]);
  });
  it('is nothing where the unit’s own supervisor tells', () => {
    const told = idle('web', { supervisor: { pid: 9, kind: 'run' } });
    expect(withStates([told], [installed], failed)).toEqual([told]);
  });
  it('is, of one unit for all daemons, how all are that no supervisor has', () => {
    const unit = (how: UnitState['state']): UnitState[] => [{ unit: 'metactl.shop.service', state: how }];
    expect(outcome([idle('db'), idle('web')], unit('failed'), shared).map(([, how]) => how)).toEqual([
      'failed',
      'failed',
    ]);
    // `web` is new; the unit runs without it.
    expect(outcome([running, idle('web')], unit('starting'), shared)[1]).toEqual(['web', 'stopped', null, true]);
    expect(outcome([idle('web')], unit('running'), shared)).toEqual([['web', 'stopped', null, true]]);
  });
  it('is not asked where all run', async () => {
    const manager = undefined as never;
    expect(await withUnits([running], [{ manager, installed }])).toEqual([running]);
  });
});
