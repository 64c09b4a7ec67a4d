import { expect, it } from 'vitest';
import { Gate } from '../../../../src/supervisor/handover/gate.ts';
import { type MovableApp, type MovableUnit, pauseApps } from '../../../../src/supervisor/standalone/take-over.ts';

const gates = () => ({ verbs: new Gate(), launches: new Gate() });
const appsOf = (unit: MovableUnit) =>
  new Map<string, MovableApp>([
    [
      'shop',
      { name: 'shop', dependencies: new Map(), units: new Map([['web', unit]]), changes: undefined, group: undefined },
    ],
  ]);

it('a run that has ended since it was paused has the rest of its output read', async () => {
  let reads = false;
  let over = false;
  const unit: MovableUnit = {
    name: 'web',
    hold: () => {},
    pause: async () => {
      reads = false;
      return true;
    },
    resume: () => {
      reads = true;
    },
    // Undefined until its output has ended, which it does only while it is read.
    handOver() {
      over ||= reads;
      return over ? ({} as ReturnType<MovableUnit['handOver']>) : undefined;
    },
  };
  // Paused by a call before, after which it has ended.
  await pauseApps(appsOf(unit), gates(), 200);
  expect([over, reads]).toEqual([true, false]);
});
