import { expect, it } from 'vitest';
import { BootStarts } from '../../../src/supervisor/standalone/boot-starts.ts';
import { MetactlError } from '../../../src/util/error.ts';

const missing = new MetactlError('the uplink is missing', { code: 'METACTL_X', exitStatus: 1 });
const wrong = new MetactlError('the configuration is wrong', { code: 'METACTL_X', exitStatus: 78 });

/** @param failures of the first tries. */
function starts(...failures: readonly Error[]) {
  const said: string[] = [];
  const boot = new BootStarts((line) => said.push(line));
  let tries = 0;
  const begun = boot.begin('shop', async () => {
    const failure = failures[tries++];
    if (failure !== undefined) throw failure;
  });
  return { boot, begun, said, tries: () => tries };
}

it('what may pass is tried again, and nobody waits for that', async () => {
  const { begun, said, tries } = starts(missing);
  await begun;
  expect([tries(), said]).toEqual([1, ['shop could not be started: the uplink is missing; trying again in 1 s']]);
  await expect.poll(tries, { timeout: 5000 }).toBe(2);
  expect(said).toHaveLength(1);
});

it('what can not pass is told once', async () => {
  const { begun, said, tries } = starts(wrong);
  await begun;
  expect([tries(), said]).toEqual([1, ['shop could not be started: the configuration is wrong']]);
});

it('what is still to be started is handed over, and what somebody has spoken of is not', async () => {
  const { boot, begun } = starts(missing, missing);
  await Promise.all([begun, boot.begin('mail', () => Promise.reject(missing)), boot.begin('up', async () => {})]);
  boot.notifySocket = '/run/systemd/notify';
  expect(boot.handOver()).toEqual({ apps: ['shop', 'mail'], notifySocket: '/run/systemd/notify' });
  boot.forget('shop');
  expect(boot.handOver().apps).toEqual(['mail']);
  boot.forget();
  expect(boot.handOver().apps).toEqual([]);
});

it('is forgotten as soon as somebody says what is to become of the app', async () => {
  const one = starts(missing);
  const other = starts(missing);
  await Promise.all([one.begun, other.begun]);
  one.boot.forget('shop');
  other.boot.forget('mail');
  await expect.poll(other.tries, { timeout: 5000 }).toBe(2);
  expect([one.tries(), one.said.length]).toEqual([1, 1]);
});
