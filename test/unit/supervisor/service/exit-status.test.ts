import { expect, it } from 'vitest';
import { unitErrorStatus, unitExitStatus } from '../../../../src/supervisor/service/exit-status.ts';
import { MetactlError } from '../../../../src/util/error.ts';

it('a unit ends with 0, or 69 where a daemon was given up', () => {
  expect(unitExitStatus([{ state: 'stopped' }], false)).toBe(0);
  expect(unitExitStatus([{ state: 'stopped' }, { state: 'failed' }], false)).toBe(69);
  expect(unitExitStatus([{ state: 'maintenance' }], false)).toBe(69);
  expect(unitExitStatus([{ state: 'maintenance' }, { state: 'stopped' }], true)).toBe(0);
  expect(unitExitStatus([], true)).toBe(0);
});

it('errors that another try can not mend are told from others', () => {
  const status = (exitStatus?: number) =>
    unitErrorStatus(new MetactlError('', { code: 'E', ...(exitStatus === undefined ? {} : { exitStatus }) }));
  expect([77, 78, 2, 4, 126, 127].map(status)).toEqual([77, 78, 78, 78, 69, 69]);
  expect([undefined, 1, 125].map(status)).toEqual([1, 1, 1]);
  expect(unitErrorStatus(new Error('x'))).toBe(1);
  expect(unitErrorStatus(new MetactlError('', { code: 'METACTL_ALREADY_RUNNING' }))).toBe(69);
  // Unless the policy has been asked.
  expect(unitErrorStatus(new Error('x'), true)).toBe(69);
  expect(unitErrorStatus(new MetactlError('', { code: 'E', exitStatus: 78 }), true)).toBe(78);
});
