import { expect, it } from 'vitest';
import { ableToStart } from '../../../src/cli/units.ts';
import type { Driven } from '../../../src/service/drive.ts';
import { systemd } from '../../../src/service/systemd.ts';
import { MetactlError } from '../../../src/util/error.ts';

const driven: Driven = {
  manager: { ...systemd, control: systemd.control! },
  installed: systemd.find(['metactl.shop.db.service', 'metactl.shop.web.service', 'metactl.shop.target'], 'shop', ''),
};
const unitsOf = (daemons: readonly string[], asked?: string) =>
  ableToStart(driven, { daemons }, asked).installed.units.map(({ daemon }) => daemon);

it('a daemon that is not in the configuration any more is left as it is', () => {
  expect(unitsOf(['db', 'web'])).toEqual(['db', 'web']);
  expect(unitsOf(['web', 'dx'])).toEqual(['web']);
  expect(unitsOf(['web', 'dx'], 'web')).toEqual(['web']);
});

it('nothing is touched where nothing else was asked for', () => {
  const refused = (daemons: readonly string[], asked?: string) => {
    try {
      unitsOf(daemons, asked);
    } catch (error) {
      return error instanceof MetactlError ? [error.message, error.exitStatus] : error;
    }
    return undefined;
  };
  expect(refused(['web'], 'db')).toEqual(['shop/db has a unit, and is not in the configuration any more', 2]);
  expect(refused([])).toEqual(['no daemon of shop that has a unit is in the configuration any more', 2]);
  expect(refused(['dx'])).toEqual(['no daemon of shop that has a unit is in the configuration any more', 2]);
});
