import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fixtures } from '../../helpers/fixtures.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
const start = useScratch((made) => {
  scratch = made;
});

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

// Since 6.14 Linux kills whatever is cloned into a cgroup whose cgroup.kill was used: a killed cgroup must be made anew.
test('a daemon starts again after something in its cgroup had to be killed', async () => {
  const directory = scratch.appDirectory('again', {});
  copyFileSync(fixtures().probe, join(directory, 'probe'));
  scratch.node(
    'again',
    `[app]\ndirectory = ${directory}\n\n[sandbox]\nenabled = no\n\n[daemon.web]\ncommand = ./probe double-fork hold\nrestart = always\n`,
  );
  const running = start(['run', 'again']);
  for (let starts = 1; starts <= 3; starts++) {
    await running.waitFor(new RegExp(`(?:^ready\\n[^]*){${starts}}`, 'm'));
    const init = childrenOf(running.child.pid!).find((pid) =>
      /^metactl-init/.test(readFileSync(`/proc/${pid}/comm`, 'utf8')),
    );
    // The orphan survives it: only the cgroup knows where it belongs.
    if (starts < 3) process.kill(init!, 'SIGKILL');
  }
  expect((await running.stop()).status).toBe(143);
});
