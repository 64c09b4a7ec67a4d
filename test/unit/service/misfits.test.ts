import { expect, it } from 'vitest';
import { misfitsOf } from '../../../src/service/misfits.ts';
import { systemd } from '../../../src/service/systemd.ts';

const each = systemd.find(['metactl.shop.db.service', 'metactl.shop.web.service', 'metactl.shop.target'], 'shop', '');
const one = systemd.find(['metactl.shop.service', 'metactl.shop.target'], 'shop', '');
const none = systemd.find(['metactl.shop.target'], 'shop', '');

it('tells of daemons without a unit, and units without a daemon', () => {
  expect(misfitsOf(each, { daemons: ['web', 'db'], single: false })).toEqual([]);
  expect(misfitsOf(each, { daemons: ['web', 'third'] })).toEqual([
    { daemon: 'third', text: 'shop/third has no unit: metactl install shop makes one', isMissing: true },
    {
      daemon: 'db',
      text: 'shop/db has a unit, and is not in the configuration any more: metactl install shop removes it',
    },
  ]);
});

it('tells of one unit where there are to be several, and of several where there is to be one', () => {
  expect(misfitsOf(one, { daemons: ['web', 'third'], single: true })).toEqual([]);
  expect(misfitsOf(one, { daemons: ['web'] })).toEqual([]);
  expect(misfitsOf(one, { daemons: ['web'], single: false })).toEqual([
    {
      daemon: undefined,
      text: 'shop has one unit for all daemons, and its configuration wants one for each: metactl install shop makes it',
    },
  ]);
  expect(misfitsOf(each, { daemons: ['db', 'web'], single: true })).toEqual([
    {
      daemon: undefined,
      text: 'shop has a unit for each daemon, and its configuration wants one for all: metactl install shop makes it',
    },
  ]);
});

it('says nothing of an app that is not installed', () => {
  expect(misfitsOf(none, { daemons: ['web'], single: true })).toEqual([]);
});
