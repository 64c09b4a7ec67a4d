import { expect, it } from 'vitest';
import { mayPass, untilDone } from '../../../../src/supervisor/service/patience.ts';
import { MetactlError } from '../../../../src/util/error.ts';

const passing = () => new MetactlError('no device', { code: 'X' });

it('tries again what may pass, with pauses that grow up to half a minute', async () => {
  const pauses: number[] = [];
  const told: number[] = [];
  let failures = 7;
  const work = async () => {
    if (failures-- > 0) throw passing();
    return 'done';
  };
  const wait = async (pause: number) => void pauses.push(pause);
  expect(await untilDone(work, (_error, pause) => told.push(pause), wait)).toBe('done');
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  expect(told).toEqual(pauses);
});

it('leaves alone what is configured wrong, and faults of metactl', async () => {
  const never = () => {
    throw new Error('tried again');
  };
  for (const error of [new MetactlError('x', { code: 'X', exitStatus: 78 }), new Error('fault')]) {
    await expect(untilDone(() => Promise.reject(error), never, never)).rejects.toBe(error);
  }
});

it('at boot a user may still become known', () => {
  const unknown = new MetactlError('there is no user', { code: 'METACTL_NO_SUCH_USER', exitStatus: 78 });
  expect([mayPass(unknown, 20), mayPass(unknown, 299), mayPass(unknown, 300)]).toEqual([true, true, false]);
  expect(mayPass(new MetactlError('nonsense', { code: 'METACTL_CONFIGURATION', exitStatus: 78 }), 20)).toBe(false);
  expect([mayPass(passing(), 1e6), mayPass(new Error('fault'), 20)]).toEqual([true, false]);
});
