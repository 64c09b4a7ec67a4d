import { afterEach, expect, it } from 'vitest';
import { defaultPool } from '../../../src/host/linux/pool.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

const scratches: Scratch[] = [];
const running: Running[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop('SIGKILL');
  for (const { root } of scratches) await runMetactl(['gc'], { root });
  for (const scratch of scratches.splice(0)) scratch.remove();
});

/** There are 128 slices: of 129 roots two have the same. */
function twoOfOneSlice(): readonly [Scratch, Scratch] {
  const bySlice = new Map<number, Scratch>();
  for (let i = 0; i < 129; i++) {
    const scratch = makeScratch();
    scratches.push(scratch);
    const { first } = defaultPool(pathsFor(scratch.root).nodeId);
    const other = bySlice.get(first);
    if (other !== undefined) return [other, scratch];
    bySlice.set(first, scratch);
  }
  throw new Error('no two roots have the same slice');
}

it('gives an app another address while one of another root has its own', async () => {
  const pair = twoOfOneSlice();
  for (const scratch of pair) {
    const directory = scratch.appDirectory('shop', {});
    scratch.node('shop', `[app]\ndirectory = ${directory}\n[daemon.web]\ncommand = sh -c 'echo up; exec sleep 1000'\n`);
  }
  const [one, other] = pair;
  const start = async ({ root }: Scratch) => {
    const run = startMetactl(['run', 'shop'], { root });
    running.push(run);
    await run.waitFor(/up/);
    return run;
  };
  const address = async ({ root }: Scratch) => (await runMetactl(['ip', 'shop'], { root })).stdout.trim();
  // Neither runs while the other one gets its lease.
  for (const scratch of pair) await (await start(scratch)).stop();
  const first = await address(one);
  expect(await address(other)).toBe(first);
  await start(one);
  const run = await start(other);
  expect(await address(one)).toBe(first);
  const moved = await address(other);
  expect(moved).not.toBe(first);
  // It stays there.
  await run.stop();
  await start(other);
  expect(await address(other)).toBe(moved);
});
