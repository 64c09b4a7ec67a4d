import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fixtures } from '../../helpers/fixtures.ts';
import { heldResources } from '../../helpers/held-resources.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

/** The bench has ten thousand (`--only crashes`). */
const WARM = 300;
const CYCLES = 300;
/**
 * kB. V8's heap goes up and down by 4 MB between collections (seen over 3,000 restarts, with no trend), so the lowest of a stretch is
 * compared with the lowest of the next.
 */
const MOST_GROWTH = 4000;
const STEP = 50;

it(`restarts a daemon ${CYCLES} times and takes no more for it`, async () => {
  const directory = site.scratch.appDirectory('loop', {});
  copyFileSync(fixtures().first, join(directory, 'first'));
  const restart = 'restart = always\nrestart-sec = 10ms\nrestart-max-delay-sec = 10ms';
  site.app('loop', { main: `command = ${directory}/first\n${restart}`, other: 'command = /bin/sleep 98765' });
  await site.metactl(['start', 'loop', '--no-wait']);
  const pid = await site.supervisor();
  const restarts = async () => (await site.status('loop', 'main'))[0]!.restarts;
  const reached = (count: number) => expect.poll(restarts, { timeout: 30_000, interval: 100 }).toBeGreaterThan(count);

  const lowest = async (from: number) => {
    let held = heldResources(pid);
    for (let count = from; count <= from + CYCLES; count += STEP) {
      await reached(count);
      const now = heldResources(pid);
      held = { ...now, memory: Math.min(held.memory, now.memory) };
    }
    return held;
  };
  await reached(WARM);
  const before = await lowest(WARM);
  const after = await lowest(WARM + CYCLES);

  // Whether the daemon is there at this moment makes a difference of a few.
  expect(Math.abs(after.descriptors - before.descriptors)).toBeLessThan(20);
  expect(after.cgroups).toBe(before.cgroups);
  expect(Math.abs(after.namespaces - before.namespaces)).toBeLessThan(20);
  expect(after.memory - before.memory).toBeLessThan(MOST_GROWTH);
}, 180_000);
