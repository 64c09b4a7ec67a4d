import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

leakCheck();

const DEMO = join(REPOSITORY, 'scripts/demo.mjs');
const roots = () => readdirSync('/srv').filter((name) => name.startsWith('metactl-demo-'));

/** Starts the demo. @returns its output so far, its end, and what kills it. */
function demo() {
  const child = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'pipe'] });
  const seen = { output: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      seen.output += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { seen, ended, kill: () => child.kill('SIGKILL') };
}

it('removes what a killed demo left, and leaves nothing itself; a second one at the same time is refused', async () => {
  const killed = demo();
  await expect.poll(() => killed.seen.output, { timeout: 30_000 }).toContain('Seen from outside');
  const refused = demo();
  expect(await refused.ended).toBe(1);
  expect(refused.seen.output).toMatch(/^demo: another demo is running, pid \d+: wait until it has ended\n$/);
  killed.kill();
  // Not `ended`: the app that it ran holds its output.
  const [left] = roots();
  const after = demo();
  await expect.poll(() => after.seen.output, { timeout: 60_000 }).toContain('The demo is over');
  const over = performance.now();
  expect(await after.ended).toBe(0);
  // It waited for its own timers, 40 s.
  expect(performance.now() - over).toBeLessThan(10_000);
  expect(after.seen.output).toContain(`removing what a demo that was killed has left: /srv/${left}\n`);
  expect(roots()).toEqual([]);
  expect(existsSync('/run/netns/metactl-demo-other')).toBe(false);
}, 120_000);

it('touches no network that is no demo’s', async () => {
  execFileSync('ip', ['netns', 'add', 'metactl-demo-other']);
  try {
    const refused = demo();
    expect(await refused.ended).toBe(1);
    expect(refused.seen.output).toBe(
      'demo: /run/netns/metactl-demo-other is there already, and of no demo: look at it, then remove it\n',
    );
    expect(roots()).toEqual([]);
  } finally {
    execFileSync('ip', ['netns', 'del', 'metactl-demo-other']);
  }
});
