import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fixtures } from '../../helpers/fixtures.ts';
import type { ProbeReport } from '../../helpers/probe.ts';

test('first prints the monotonic clock of its first instruction', () => {
  const before = process.hrtime.bigint();
  const printed = BigInt(execFileSync(fixtures().first, { encoding: 'utf8' }).trim());
  expect(printed).toBeGreaterThan(before);
  expect(printed).toBeLessThan(process.hrtime.bigint());
});

test('the probe tells what Node knows of the same surroundings', () => {
  const text = execFileSync(fixtures().probe, ['report'], { encoding: 'utf8', env: { A: 'b"\u0001c' }, cwd: '/usr' });
  const report = JSON.parse(text) as ProbeReport;
  expect(report.uid[0]).toBe(process.getuid?.());
  expect(report.status.Groups?.trim()).toBe(
    /^Groups:(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]?.trim(),
  );
  expect(report.environment).toEqual({ A: 'b"\u0001c' });
  expect(report.cwd).toBe('/usr');
  expect(report.ppid).toBe(process.pid);
  expect(report.mounts.some(({ path }) => path === '/proc')).toBe(true);
  expect(report.devices.find(({ path }) => path === '/dev/null')).toMatchObject({ major: 1, minor: 3, open: 'ok' });
  expect(report.addresses).toContainEqual({ link: 'lo', family: 'inet', address: '127.0.0.1', prefix: 8, up: 1 });
  expect(report.syscalls.getpid).toBe('ok');
  expect(report.syscalls.mount).not.toBe('ok');
});

test('an attack prints the errno of the step that stopped it', () => {
  const text = execFileSync(fixtures().probe, ['attack', 'open', '/none-such', 'r'], { encoding: 'utf8' });
  expect(JSON.parse(text)).toEqual({ attack: 'open', path: '/none-such', result: 'ENOENT' });
});
