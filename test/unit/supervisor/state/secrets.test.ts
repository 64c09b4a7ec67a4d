import { expect, it } from 'vitest';
import type { Sandbox } from '../../../../src/host/host.ts';
import type { DaemonEvent, Readiness, ReadinessReport } from '../../../../src/supervisor/state/types.ts';
import { MetactlError } from '../../../../src/util/error.ts';
import { FakeClock, fakeDaemon, settle } from './fake-handle.ts';

const secrets = ['hunter2'];

it('what a start failed with shows no secret', async () => {
  const fake = fakeDaemon('web', new FakeClock(), {}, { secrets });
  fake.failure = new MetactlError('execute `hunter2`: no such file or directory', { code: 'ENOENT', path: '/hunter2' });
  const events: DaemonEvent[] = [];
  fake.daemon.onEvent((event) => events.push(event));
  fake.daemon.start();
  await settle();
  const { error } = events.find((event) => event.type === 'start-failed') as { error: MetactlError };
  expect([error.message, error.path]).toEqual(['execute `***`: no such file or directory', '/***']);
});

it('why it is not well shows no secret; what it says itself is its own', async () => {
  let tell: (report: ReadinessReport) => void = () => {};
  const watch = (_: Sandbox, report: typeof tell) => {
    tell = report;
  };
  const readiness = () => ({ watch, close: () => {}, handOver: () => ({}) }) as unknown as Readiness;
  const { daemon } = fakeDaemon('web', new FakeClock(), {}, { secrets, readiness });
  daemon.start();
  await settle();
  const events: DaemonEvent[] = [];
  daemon.onEvent((event) => events.push(event));
  tell({ type: 'status-text', text: 'hunter2' });
  tell({ type: 'unwell', reason: 'GET /hunter2: 404' });
  expect(events).toEqual([
    { type: 'status-text', text: 'hunter2' },
    { type: 'degraded', reason: 'GET /***: 404' },
  ]);
});
