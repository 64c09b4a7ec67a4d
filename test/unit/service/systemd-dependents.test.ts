import { expect, it } from 'vitest';
import { systemd } from '../../../src/service/systemd.ts';
import { askAboutDependents, startThem, unitsLeftBehind } from '../../../src/service/systemd-dependents.ts';

const [DB, MID, WEB, TARGET] = ['db.service', 'mid.service', 'web.service', 'target'].map(
  (one) => `metactl.shop.${one}`,
);
const installed = systemd.find([DB!, MID!, WEB!, TARGET!], 'shop', '');

interface Told {
  readonly active?: string;
  readonly requires?: string;
  readonly restarts?: number;
  readonly job?: number;
  /** µs when it was up, and down, last. */
  readonly up?: number;
  readonly down?: number;
}

function show(unit: string, told: Told): string {
  const { active = 'inactive', requires = '', restarts = 0, job, up = 0, down = 0 } = told;
  return `Id=${unit}\nActiveState=${active}\nRequires=${requires}\nNRestarts=${restarts}\n${
    job === undefined ? '' : `Job=${job}\n`
  }ActiveEnterTimestampMonotonic=${up}\nInactiveEnterTimestampMonotonic=${down}\n`;
}

const TARGET_UP = { active: 'active', up: 100 };
function left(web: Told = {}, { db = {}, target = {} }: { readonly db?: Told; readonly target?: Told } = {}) {
  const units = [
    show(TARGET!, { ...TARGET_UP, ...target }),
    show(DB!, { active: 'active', restarts: 1, up: 200, ...db }),
    show(MID!, { requires: `-.mount ${DB}` }),
    show(WEB!, { requires: MID!, ...web }),
  ];
  return unitsLeftBehind(installed, 'db', units.join('\n'));
}

it('what was to come with its target, and did not, is started', () => {
  expect(left()).toEqual([MID, WEB]);
  expect(left({ down: 50 })).toEqual([MID, WEB]);
});

it('what runs, is about to, has failed by itself or was stopped is left alone', () => {
  expect(left({ active: 'active' })).toEqual([MID]);
  expect(left({ active: 'failed' })).toEqual([MID]);
  expect(left({ job: 17 })).toEqual([MID]);
  expect(left({ down: 150 })).toEqual([MID]);
});

it('nothing is started where the daemon came up at its first start, or alone', () => {
  expect(left({}, { db: { restarts: 0 } })).toEqual([]);
  expect(left({}, { target: { active: 'inactive' } })).toEqual([]);
  expect(unitsLeftBehind(installed, 'db', '')).toEqual([]);
});

it('asks about all of the app, and waits for nothing', () => {
  expect(askAboutDependents(installed).argv.slice(-5)).toEqual(['--', TARGET, DB, MID, WEB]);
  expect(startThem([WEB!]).argv).toEqual(['systemctl', '--no-block', 'start', '--', WEB]);
});
