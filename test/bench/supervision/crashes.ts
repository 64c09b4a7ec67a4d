import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../../src/supervisor/control/client.ts';
import { controlSocket } from '../../../src/supervisor/control/sockets.ts';
import type { StatusRecord } from '../../../src/supervisor/control/status-record.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { anonymousMemory, type HeldResources, heldResources } from '../../helpers/held-resources.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { align, us } from '../align.ts';
import type { BenchSite } from '../site.ts';
import { execute } from './manager.ts';

export interface CrashFigures {
  /**
   * After so many ends and restarts of one daemon. `memory` is the lowest since the sample before: V8's heap goes up and down by 10 MB
   * between collections.
   */
  readonly samples: readonly (HeldResources & { readonly cycle: number })[];
}

/** One daemon that ends at once, again and again: nothing of a run may be left in the supervisor or in the kernel. */
export async function measureCrashes(site: BenchSite, cycles: number): Promise<CrashFigures> {
  const nodes = join(site.root, 'etc/metactl/nodes');
  mkdirSync(nodes, { recursive: true });
  const restart = 'restart = always\nrestart-sec = 10ms\nrestart-max-delay-sec = 10ms\n';
  writeFileSync(
    join(nodes, 'crash.conf'),
    `[app]\ndirectory = ${site.directory}\n[daemon.main]\ncommand = ./first\n${restart}[daemon.other]\ncommand = ./first hold\n`,
    { mode: 0o600 },
  );
  const metactl = (...words: string[]) =>
    execute([process.execPath, join(REPOSITORY, 'bin/metactl.cjs'), '--root', site.root, ...words]);
  const samples: (HeldResources & { readonly cycle: number })[] = [];
  await metactl('start', 'crash', '--no-wait');
  try {
    const socket = controlSocket(pathsFor(site.root));
    const { pid } = (await ask(socket, 'hello')) as { readonly pid: number };
    let lowest = Number.POSITIVE_INFINITY;
    for (let next = cycles / 5; next <= cycles; ) {
      await sleep(200);
      lowest = Math.min(lowest, anonymousMemory(pid));
      const [main] = (await ask(socket, 'status', { app: 'crash', daemon: 'main' })) as StatusRecord[];
      if (main!.restarts < next) continue;
      samples.push({ cycle: main!.restarts, ...heldResources(pid), memory: lowest });
      lowest = Number.POSITIVE_INFINITY;
      next += cycles / 5;
    }
  } finally {
    await metactl('stop', 'all');
  }
  return { samples };
}

/** Pure. */
export function crashTable({ samples }: CrashFigures): string[] {
  return [
    '\nA daemon that ends at once, again and again: what the supervisor and the kernel hold',
    align([
      ['restarts', 'descriptors', 'cgroups', 'namespaces', 'lowest memory, kB'],
      ...samples.map(({ cycle, descriptors, cgroups, namespaces, memory }) => [
        ...[us(cycle), us(descriptors), us(cgroups), us(namespaces), us(memory)],
      ]),
    ]),
  ];
}
