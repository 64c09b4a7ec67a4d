import { expect, it } from 'vitest';
import { inTurn } from '../../../../src/supervisor/logs/disk-turns.ts';

it('disks that hang take the turns of disks, and not those of log daemons; each goes on in order', async () => {
  const done: string[] = [];
  const goOn: (() => void)[] = [];
  const hang = (disk: string) =>
    inTurn(disk, () => new Promise<void>((resolve) => goOn.push(resolve))).then(() => done.push(disk));
  const quick = (disk: string | undefined, name: string) => inTurn(disk, async () => {}).then(() => done.push(name));
  const all = [hang('/a'), hang('/b'), quick('/a', 'a again'), quick('/c', 'c'), quick(undefined, 'journal')];
  all.push(quick(undefined, 'syslog'));
  await all.at(-1);
  expect(done).toEqual(['journal', 'syslog']);
  goOn[1]!();
  await all[3];
  expect(done).toEqual(['journal', 'syslog', '/b', 'c']);
  goOn[0]!();
  await Promise.all(all);
  expect(done.slice(4)).toEqual(['/a', 'a again']);
});
