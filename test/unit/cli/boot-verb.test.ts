import { expect, it } from 'vitest';
import { needersOf } from '../../../src/cli/boot-verb.ts';
import { systemd } from '../../../src/service/systemd.ts';

const [DB, MID, WEB] = ['metactl.shop.db.service', 'metactl.shop.mid.service', 'metactl.shop.web.service'];
const installed = systemd.find([DB, MID, WEB], 'shop', '');
const show = (unit: string, file: string, requires = '') =>
  `Id=${unit}\nActiveState=inactive\nUnitFileState=${file}\nRequires=${requires}\n`;
const needers = (daemon: string, ...units: string[]) =>
  needersOf(installed, daemon, systemd.control!.states(units.join('\n')));

it('what is enabled starts what it needs with it, also by others', () => {
  const all = [show(DB, 'disabled'), show(MID, 'disabled', `x.slice ${DB}`), show(WEB, 'enabled', MID)];
  expect(needers('db', ...all)).toEqual(['web']);
  expect(needers('mid', ...all)).toEqual(['web']);
  expect(needers('web', ...all)).toEqual([]);
  expect(needers('db', show(DB, 'disabled'), show(WEB, 'disabled', DB))).toEqual([]);
});
