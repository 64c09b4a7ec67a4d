import { expect, it } from 'vitest';
import { planStateOwner } from '../../../src/sandbox/state-owner.ts';
import { fakeFacts } from '../../helpers/fake-facts.ts';
import { type FakeSections, fakeConfig } from '../platform/fake-config.ts';

const owner = (sections: FakeSections) => planStateOwner(fakeConfig(sections), 70_001, fakeFacts());

it('is the app’s own user where no daemon names one', () => {
  expect(owner({ 'daemon.web': {}, 'daemon.job': {} })).toEqual({
    uid: 70_001,
    gid: 70_001,
    mode: 0o750,
    warnings: [],
  });
});

it('is the first daemon’s, whichever starts first, and a daemon that can’t write is told', () => {
  expect(owner({ 'daemon.web': {}, 'daemon.job': { user: 'www-data' } })).toEqual({
    uid: 70_001,
    gid: 70_001,
    mode: 0o750,
    warnings: [
      "[daemon.job] user: www-data can't write the state directory of myapp, which belongs to myapp (daemon web, the first); give both the same group",
    ],
  });
});

it.each([{ group: 'www-data' }, { 'supplementary-groups': ['www-data'] }])(
  'is shared by a common group: %j',
  (keys) => {
    const sections = { 'daemon.web': { user: 'www-data' }, 'daemon.job': keys };
    expect(owner(sections)).toEqual({ uid: 33, gid: 33, mode: 0o2770, warnings: [] });
  },
);

it('says nothing of root, which needs no leave', () => {
  const sections = { sandbox: { 'allow-root': true }, 'daemon.web': {}, 'daemon.job': { user: 'root' } };
  expect(owner(sections)).toMatchObject({ mode: 0o750, warnings: [] });
});
