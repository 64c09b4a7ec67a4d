import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { useWatchedDaemons, type WatchedDaemon } from '../../helpers/watched-daemon.ts';

const { daemon } = useWatchedDaemons(() => {});

const UNSANDBOXED = '[sandbox]\nenabled = no\nallow-root = yes\n';
const PLACES = [
  ['in a sandbox', undefined],
  ['without one', UNSANDBOXED],
] as const;

function commands({ prepared }: WatchedDaemon, word: string): string[] {
  const all = prepared.host.listProcesses(prepared.paths, 'shop', 'main');
  return all.map(({ command }) => command).filter((command) => command.includes(word));
}

/** A daemon whose health is asked for by a script. */
async function checked(script: string, sections?: string, more = ''): Promise<WatchedDaemon> {
  const times = 'health.interval = 100ms\nhealth.timeout = 400ms\nhealth.action = alert';
  return daemon('sleep 60', `health = exec:/bin/sh -c '${script}'\n${times}\n${more}`, sections);
}

for (const [place, sections] of PLACES) {
  it(`what a health check that hangs has started is ended with it, ${place}`, async () => {
    const one = await checked('sleep 4321 | grep -q ok', sections, 'health.threshold = 3');
    await one.until(() => commands(one, 'sleep 4321').length > 0);
    await one.first('unwell');
    // One may be under way again.
    expect(commands(one, 'sleep 4321').length).toBeLessThan(2);
    expect(commands(one, 'notify.py')).toHaveLength(1);
  });

  it(`what a health check leaves is ended with it, also out of a session of its own, ${place}`, async () => {
    const one = await checked('setsid sh -c "setsid sleep 4322 & exit 0" & exit 1', sections, 'health.threshold = 5');
    await one.first('unwell');
    await one.until(() => commands(one, 'sleep 4322').length < 2, 1000);
    expect(commands(one, 'notify.py')).toHaveLength(1);
  });
}

it('what a check for readiness leaves is ended with it', async () => {
  const one = await daemon('sleep 60', "ready = exec:/bin/sh -c 'setsid sleep 4323 & exit 3'\nready.timeout = 2s");
  await one.first('failed');
  await one.until(() => commands(one, 'sleep 4323').length === 0, 1000);
});

it('what a check leaves that ends well is ended with it', async () => {
  const one = await daemon('sleep 60', "ready = exec:/bin/sh -c 'setsid sleep 4324 & exit 0'");
  await one.first('ready');
  await one.until(() => commands(one, 'sleep 4324').length === 0, 1000);
});

it('a check whose processes fork and end all the time does not outlive its time', async () => {
  // The second attempt is too late to be seen.
  const times = 'health.interval = 2s\nhealth.timeout = 500ms\nhealth.threshold = 1\nhealth.action = alert';
  const chain = 'import os; [os.fork() and os._exit(0) for _ in iter(int, 1)]';
  const script = `for i in 1 2 3 4; do python3 -c "${chain}" & done; sleep 4325`;
  const one = await daemon('sleep 60', `health = exec:/bin/sh -c '${script}'\n${times}\ntasks-max = 200`);
  await one.until(() => commands(one, 'iter(int').length > 0);
  await one.first('unwell');
  await one.until(() => commands(one, '4325').length === 0, 1000);
  for (let look = 0; look < 5; look++) {
    await sleep(20);
    expect(commands(one, 'iter(int')).toEqual([]);
  }
});

it('what an administrator starts inside stays, while checks go on', async () => {
  const one = await checked('exit 1', undefined, 'health.threshold = 1');
  await one.first('unwell');
  const running = await one.prepared.host.findRunning(one.prepared.paths, 'shop', 'main');
  const argv = ['/bin/sh', '-c', 'setsid sleep 4326 >/dev/null 2>&1 & exit 0'];
  const io = { stdin: 'null', stdout: 'pipe', stderr: 'pipe' } as const;
  const sandbox = running!.join({ ...running!.process, argv }, running!.identity, io);
  expect((await sandbox.ended).code).toBe(0);
  running!.close();
  await sleep(500);
  expect(commands(one, 'sleep 4326')).toHaveLength(1);
});
