import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../../src/supervisor/control/client.ts';
import { controlSocket } from '../../../src/supervisor/control/sockets.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import type { BenchSite } from '../site.ts';
import { execute, type Manager, until } from './manager.ts';

/** metactl with one app of so many daemons; the supervisor has nothing else. */
export function metactl(site: BenchSite, app: string, count: number, sandboxed: boolean): Manager {
  const command = (...words: string[]) => [
    ...[process.execPath, join(REPOSITORY, 'bin/metactl.cjs'), '--root', site.root],
    ...words,
  ];
  // As stable as the others' daemons are after the same time.
  const daemon = (_: unknown, i: number) => `[daemon.d${i}]\ncommand = ./first hold\nrestart-reset-sec = 1s\n`;
  const sandbox = sandboxed ? '' : '[sandbox]\nenabled = no\n';
  const nodes = join(site.root, 'etc/metactl/nodes');
  const write = (name: string, daemons: number) => {
    mkdirSync(nodes, { recursive: true });
    const sections = Array.from({ length: daemons }, daemon).join('');
    writeFileSync(join(nodes, `${name}.conf`), `[app]\ndirectory = ${site.directory}\n${sandbox}${sections}`, {
      mode: 0o600,
    });
  };
  const logs = join(site.root, 'var/log/metactl', app);
  let supervisor = 0;
  return {
    name: sandboxed ? 'metactl, sandboxed' : 'metactl, enabled = no',
    count,
    async boot() {
      write(app, count);
      // Another app starts the supervisor, and is gone before anything is measured.
      write('boot', 1);
      await execute(command('start', 'boot'));
      const [first] = JSON.parse(await execute(command('status', '--json'))) as { supervisor: { pid: number } }[];
      supervisor = first!.supervisor.pid;
      await execute(command('stop', 'boot'));
    },
    startAll: async () => void (await execute(command('start', app))),
    stopAll: async () => void (await execute(command('stop', app))),
    status: command('status'),
    pids: () => [supervisor],
    output: () =>
      files(logs)
        .map((name) => readFileSync(join(logs, name), 'latin1'))
        .join(''),
    async request(verb) {
      await ask(controlSocket(pathsFor(site.root)), verb, { app, wait: true });
    },
    async end() {
      if (supervisor !== 0) {
        // With the supervisor itself.
        await execute(command('stop', 'all'));
        await until('the supervisor', () => (files(`/proc/${supervisor}`).length === 0 ? true : undefined));
      }
      // The next one's `status` is to tell of its own daemons only.
      for (const name of [app, 'boot']) {
        rmSync(join(nodes, `${name}.conf`), { force: true });
        rmSync(join(site.root, 'var/lib/metactl/apps', name), { recursive: true, force: true });
      }
    },
  };
}

function files(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
