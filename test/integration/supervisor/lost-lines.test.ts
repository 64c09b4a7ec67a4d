import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { startMetactl } from '../../helpers/run-metactl.ts';
import { makeSite, type Site } from './site.ts';

leakCheck();

let site: Site;
let disk: string;
beforeEach(() => {
  site = makeSite();
  disk = join(site.root, 'var/log/metactl');
  mkdirSync(disk, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=750', 'tmpfs', disk]);
});
afterEach(async () => {
  try {
    await site.metactl(['stop', 'all']);
    // The supervisor's own log is there, too.
    execFileSync('umount', ['--lazy', disk]);
  } finally {
    await site.remove();
  }
});

type Loss = NonNullable<StatusRecord['logLoss']>;

async function lossWhen(is: (loss: Loss | null) => boolean): Promise<Loss | null> {
  for (const end = performance.now() + 20_000; ; await sleep(50)) {
    const [{ logLoss }] = (await site.status('shop', 'web')) as [StatusRecord];
    if (is(logLoss)) return logLoss;
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(logLoss)}`);
  }
}

/** Long ones: the last page of its file is soon full. */
const WRITER =
  'i=0; while [ -e running ]; do i=$((i + 1)); printf "line %d %01000d\\n" $i 0; sleep 0.1; done; exec sleep 60';

function writer(): string {
  const directory = site.scratch.appDirectory('shop', { 'write.sh': `#!/bin/sh\n${WRITER}\n`, running: '' });
  site.app('shop', { web: 'command = ./write.sh\nlog.to = file', quiet: 'command = sleep 60\nlog.to = file' });
  return directory;
}

it('tells of lines that a full disk costs, while they go missing and after', async () => {
  const directory = writer();
  expect(await site.metactl(['start', 'shop'])).toMatchObject({ status: 0 });
  expect((await site.status('shop')).map(({ logLoss }) => logLoss)).toEqual([null, null]);
  // What doesn't fit makes the disk full to its last page.
  expect(() => writeFileSync(join(disk, 'ballast'), Buffer.alloc(1_000_000))).toThrow('ENOSPC');
  const file = join(disk, 'shop/web.log');
  const first = await lossWhen((loss) => loss !== null && loss.lines > 3);
  expect(first).toMatchObject({ to: file, error: 'ENOSPC', lasting: true });
  expect(Date.parse(first!.last)).toBeGreaterThan(Date.parse(first!.since));
  const why = await site.metactl(['why', 'shop']);
  expect(why.status).toBe(1);
  expect(why.stdout).toContain("error: the log of shop/web can't be written: what it says is lost\n");
  expect(why.stdout).toContain(`  ${file}: ENOSPC\n`);
  expect(why.stdout).toMatch(new RegExp(` {2}\\d+ lines lost from ${first!.since} to \\S+Z\\n`));
  expect(why.stdout).toContain(`  do: make room: \`df -h ${disk}/shop\`, \`df -i ${disk}/shop\`; metactl tries again`);
  expect((await site.metactl(['status', 'shop'])).stdout).toMatch(
    /log: \d+ lines are lost so far, and more will be: \S+web\.log: ENOSPC, since \S+Z\n/,
  );
  // Another process goes on with the count.
  expect(await site.metactl(['reexec'])).toMatchObject({ status: 0, stderr: '' });
  const next = await lossWhen((loss) => loss !== null && loss.lines > first!.lines + 3);
  expect(next).toMatchObject({ since: first!.since, lasting: true });
  rmSync(join(disk, 'ballast'));
  const last = await lossWhen((loss) => loss?.lasting === false);
  rmSync(join(directory, 'running'));
  expect(last!.lines).toBeGreaterThanOrEqual(next!.lines);
  const after = await site.metactl(['why', 'shop', '--json']);
  expect(JSON.parse(after.stdout).findings).toMatchObject([
    { id: 'log-lines-lost', severity: 'warning', what: `${last!.lines} lines of shop/web are not in its log` },
  ]);
  // What the log says is what was counted.
  const { stdout } = await site.metactl(['logs', 'shop', 'web', '-n', '1000', '--json']);
  const notes = stdout.match(/"(\d+) lines? lost: ENOSPC"/g) ?? [];
  expect(notes.reduce((sum, note) => sum + Number(/\d+/.exec(note)![0]), 0)).toBe(last!.lines);
  // Somebody who starts it anew begins the count anew.
  await site.metactl(['restart', 'shop', 'web']);
  expect((await site.status('shop', 'web'))[0]!.logLoss).toBeNull();
});

it('tells it of what `run` runs in the foreground, too', async () => {
  writer();
  expect(() => writeFileSync(join(disk, 'ballast'), Buffer.alloc(1_000_000))).toThrow('ENOSPC');
  const run = startMetactl(['run', 'shop', 'web'], { root: site.root });
  try {
    await run.waitFor(/its lines are lost/);
    const loss = await lossWhen((one) => one !== null);
    expect(loss).toMatchObject({ error: 'ENOSPC', lasting: true });
  } finally {
    await run.stop();
  }
});
