import { afterEach, expect, it } from 'vitest';
import { configure, type GuestApp, start } from './apps.ts';
import { useGuest } from './guest/use-guest.ts';

/** A machine's real clock, set an hour forth and two back under what waits; `clock-jumps.test.ts` has each wait by itself. */
const guest = useGuest();
let app: GuestApp | undefined;

afterEach(async () => {
  await app?.stop();
});

/** Seconds between two restarts. */
const PAUSE = 15;

/** Waits and sets the clock. @param pause seconds. @param seconds that it must be set by. */
async function jump(pause: number, to: string, seconds: number): Promise<void> {
  const by = await guest.run(`sleep ${pause}; a=$(date +%s); date -s '${to}' >/dev/null; echo $(($(date +%s) - a))`);
  expect(Math.abs(Number(by) - seconds)).toBeLessThan(5);
}

it('a watchdog, health checks and a pause before a restart do not notice it', async () => {
  await configure(
    guest,
    'clock',
    `[daemon.main]
command = ./run.sh
ready = notify
watchdog-sec = 10s
health = exec:/bin/true
health.interval = 1s
health.threshold = 1
[daemon.pause]
command = /bin/sh -c "echo began at $(cut -d' ' -f1 /proc/uptime); exit 1"
restart = always
restart-sec = ${PAUSE}s
restart-max-delay-sec = ${PAUSE}s
`,
  );
  await guest.run(`cat > /srv/clock/run.sh <<'END'
#!/bin/bash
systemd-notify --ready
while systemd-notify WATCHDOG=1; do sleep 1; done
END
chmod 755 /srv/clock/run.sh`);
  app = await start(guest, 'clock');
  await app.until('clock/main: ready after');
  await app.until('^pause .*began');
  const upFor = async () => {
    const [status] = JSON.parse(await guest.run('metactl status --json clock main'));
    expect(status).toMatchObject({ state: 'ready', restarts: 0 });
    return status.uptimeMs / 1000;
  };
  await jump(2, '1 hour', 3600);
  expect(await upFor()).toBeLessThan(100);
  const began = async (count: number) => {
    await guest.run(
      `while [ $(grep -c '^pause .*began' /run/${app!.unit}.output) -lt ${count} ]; do sleep 0.2; done`,
      120_000,
    );
  };
  await began(2);
  await jump(2, '2 hours ago', -7200);
  await began(3);
  await guest.run('sleep 12');
  expect(await upFor()).toBeGreaterThan(PAUSE);
  expect(await upFor()).toBeLessThan(170);
  const output = await app.output();
  const times = [...output.matchAll(/began at ([\d.]+)/g)].map(([, at]) => Number(at));
  console.log(
    `pauses of ${PAUSE} s while the clock is set: ${times.slice(1).map((at, n) => (at - times[n]!).toFixed(1))}`,
  );
  for (const [n, at] of times.slice(1, 3).entries()) {
    expect(at - times[n]!).toBeGreaterThan(PAUSE * 0.7);
    expect(at - times[n]!).toBeLessThan(PAUSE * 1.3 + 5);
  }
  expect(output).not.toMatch(/watchdog|not well/);
});
