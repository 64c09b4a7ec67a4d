import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { changeLeases } from '../../src/host/linux/lease-file.ts';
import { type Leases, readLeases } from '../../src/host/linux/read-leases.ts';
import { forgetMade, type MadeObject, readMade, recordMade } from '../../src/host/linux/record.ts';
import { type Paths, pathsFor } from '../../src/util/paths.ts';
import { leakCheck } from '../helpers/leak-check.ts';
import { makeScratch, type Scratch } from '../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let paths: Paths;
const disks: string[] = [];
beforeEach(() => {
  scratch = makeScratch();
  paths = pathsFor(scratch.root);
});
afterEach(() => {
  for (const disk of disks.splice(0)) execFileSync('umount', [disk]);
  scratch.remove();
});

/** Two pages: the file that is there, and half of the next one. */
function smallDisk(directory: string): void {
  mkdirSync(directory, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k,mode=755', 'tmpfs', directory]);
  disks.push(directory);
}

const FEW: Leases = { version: 1, apps: { shop: { address: '10.4.1.7', uid: 70_003 } } };
const entries = Array.from({ length: 300 }, (_, i) => [`app${i}`, { uid: 70_100 + i }] as const);

it('leases that find no room leave those that are there', async () => {
  smallDisk(dirname(paths.leases));
  await changeLeases(paths, async () => FEW);
  const many: Leases = { version: 1, apps: { ...FEW.apps, ...Object.fromEntries(entries) } };
  await expect(changeLeases(paths, async () => many)).rejects.toMatchObject({
    code: 'ENOSPC',
    message: `can't write the leases at ${paths.leases}: ENOSPC`,
    hint: 'look at the permissions and the space left there',
  });
  expect(readLeases(paths)).toEqual(FEW);
  await changeLeases(paths, async ({ apps }) => ({ version: 1, apps: { ...apps, web: { uid: 70_004 } } }));
  expect(readLeases(paths).apps).toEqual({ ...FEW.apps, web: { uid: 70_004 } });
});

it('a record that finds no room leaves the one that is there, and so all that gc has to find', () => {
  smallDisk(paths.run);
  mkdirSync(paths.runApp('shop'));
  const made = (path: string): MadeObject => ({ kind: 'mount', path });
  recordMade(paths, 'shop', made('/first'));
  const many = Array.from({ length: 300 }, (_, i) => made(`/run/metactl/shop/${i}`));
  expect(() => recordMade(paths, 'shop', ...many)).toThrow('ENOSPC');
  expect(readMade(paths, 'shop')).toEqual([made('/first')]);
  recordMade(paths, 'shop', made('/second'));
  expect(readMade(paths, 'shop')).toEqual([made('/first'), made('/second')]);
  forgetMade(paths, 'shop', made('/first'), made('/second'));
  expect(readdirSync(paths.runApp('shop'))).toEqual([]);
});
