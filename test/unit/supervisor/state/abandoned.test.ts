import { expect, it } from 'vitest';
import type { StartOutput } from '../../../../src/supervisor/output.ts';
import { FakeClock, fakeDaemon, settle } from './fake-handle.ts';

/** A log whose disk hangs. */
const hung = () => new Promise<StartOutput>(() => {});

it('a start that waits for its log is given up by a stop', async () => {
  const { daemon, sandboxes } = fakeDaemon('web', new FakeClock(), {}, { output: hung });
  daemon.start();
  await settle();
  daemon.stop();
  await settle();
  expect([daemon.status().state, sandboxes]).toEqual(['stopped', []]);
});

it('also where the stop came while its network was being made', async () => {
  let made = () => {};
  const open = () =>
    new Promise<void>((resolve) => {
      made = resolve;
    });
  const start = () => Promise.reject(new Error('not to be started'));
  const handle = { open, start, takeUp: () => undefined };
  const { daemon } = fakeDaemon('web', new FakeClock(), {}, { output: hung, handle });
  daemon.start();
  await settle();
  daemon.stop();
  await settle();
  expect(daemon.status().state).toBe('stopping');
  made();
  await settle();
  expect(daemon.status().state).toBe('stopped');
});
