import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KINDS, managerOf } from '../../../src/service/index.ts';
import { guessUnits, UNIT_DIRECTORIES } from '../../../src/service/unit-guess.ts';
import { modelOf, SHOP, scratch } from './models.ts';

/** Where the first file of each manager that metactl drives would be. */
function written(nodeId: string) {
  const driven = KINDS.map(managerOf).filter(({ control }) => control !== undefined);
  return driven.map((manager) => ({ manager, files: manager.files({ ...modelOf(SHOP), nodeId }) }));
}

it('looks where every manager that is driven has its files, and knows an app by each of them', () => {
  for (const nodeId of ['', 'a1b2']) {
    for (const { manager, files } of written(nodeId)) {
      expect(UNIT_DIRECTORIES).toContain(manager.directory);
      const directory = join(scratch(), manager.name);
      mkdirSync(directory, { recursive: true });
      for (const { name, text } of files) writeFileSync(join(directory, name), text);
      const other = nodeId === '' ? 'a1b2' : '';
      expect([guessUnits(nodeId, [directory])('shop'), guessUnits(other, [directory])('shop')]).toEqual([true, false]);
      expect(guessUnits(nodeId, ['/nowhere', directory])('sho')).toBe(false);
    }
  }
});

it('leaves it to others where it can’t look', () => {
  expect(guessUnits('', ['/nowhere', '/dev/null'])('shop')).toBe(false);
  expect(guessUnits('', [`/${'x'.repeat(300)}`])('shop')).toBe(true);
});
