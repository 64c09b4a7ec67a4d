import { expect, it } from 'vitest';
import type { StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { looksBack, queriesFor } from '../../../src/supervisor/why-facts.ts';

it('asks for the calls of all users of an app, also of those without processes', () => {
  const running = new Map([
    [0, 5],
    [70_001, 60],
  ]);
  expect(queriesFor(running, { uid: 70_001, named: [33, 0] }, 100)).toEqual([
    { uid: 70_001, uids: 1, startedAt: 60 },
    { uid: 33, uids: 1, startedAt: 100 },
  ]);
  expect(queriesFor(new Map(), { uid: 70_001, named: [] }, 100)).toEqual([{ uid: 70_001, uids: 1, startedAt: 100 }]);
  const inside = new Map([
    [2_000_033, 70],
    [2_001_000, 60],
  ]);
  expect(queriesFor(inside, { ids: 2_000_000, named: [] }, 100)).toEqual([
    { uid: 2_000_000, uids: 65_536, startedAt: 60 },
  ]);
  expect(queriesFor(new Map(), { named: [] }, 100)).toEqual([]);
});

it('looks at earlier lives only while something is down or was started again by itself', () => {
  const running = { pid: 7, since: 0 };
  const status = (restarts: number) => ({ restarts }) as StatusRecord;
  expect(looksBack([{ name: 'main', running }])).toBe(false);
  expect(looksBack([{ name: 'main', running, status: status(0) }])).toBe(false);
  expect(looksBack([{ name: 'main', running, status: status(1) }])).toBe(true);
  expect(looksBack([{ name: 'main', running }, { name: 'job' }])).toBe(true);
});
