import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AppHandle, Sandbox } from '../../src/host/host.ts';
import type { SandboxPlan } from '../../src/sandbox/plan.ts';
import { type Prepared, prepare } from '../../src/supervisor/prepare.ts';
import { pathsFor } from '../../src/util/paths.ts';
import { fixtures } from '../helpers/fixtures.ts';

/** RFC 2544 sets 198.18.0.0/15 aside for benchmarks: no host routes it. */
const POOL = '198.18.0.0/16';
const UPLINK = 'mbench0';
/** A moved root has a hundred of its own, which is too few for 300 apps. */
const UIDS = '99000-99999';

/** A node of its own for the bench: a scratch root, an uplink that leads nowhere, and apps that run `first`. */
export interface BenchSite {
  readonly root: string;
  /** Directory of the apps' program, and that program. */
  readonly directory: string;
  readonly program: string;
  /** Writes an app with so many daemons and plans it. `hold`: they wait for a signal instead of ending; `more`: sections. */
  app(name: string, daemons: number, hold: boolean, more?: string): Promise<Prepared>;
  /** Takes all apps out of the configuration. */
  clear(): void;
  remove(): void;
}

/** @param root An empty directory, not below /tmp (another file system inside a sandbox); removed by its maker. */
export function makeSite(root: string): BenchSite {
  const directory = join(root, 'apps/first');
  const program = join(directory, 'first');
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o600 });
  };
  const remove = (): void => {
    execFileSync('ip', ['link', 'del', UPLINK], { stdio: 'ignore' });
  };
  try {
    mkdirSync(directory, { recursive: true });
    copyFileSync(fixtures().first, program);
    execFileSync('ip', ['link', 'add', UPLINK, 'type', 'veth', 'peer', 'name', `${UPLINK}p`]);
    for (const link of [UPLINK, `${UPLINK}p`]) execFileSync('ip', ['link', 'set', link, 'up']);
    write('etc/metactl/metactl.conf', `[node]\nuid-range = ${UIDS}\n\n[network]\npool = ${POOL}\nuplink = ${UPLINK}\n`);
  } catch (error) {
    remove();
    throw error;
  }
  return {
    root,
    directory,
    program,
    clear: () => rmSync(join(root, 'etc/metactl/nodes'), { recursive: true, force: true }),
    remove,
    app: (name, daemons, hold, more = '') => {
      const command = `command = ./first${hold ? ' hold' : ''}`;
      const limits = 'memory-max = 64m\ncpu-weight = 100\ntasks-max = 64';
      const sections = Array.from({ length: daemons }, (_, i) => `[daemon.d${i}]\n${command}\n${limits}\n`);
      write(`etc/metactl/nodes/${name}.conf`, `[app]\ndirectory = ${directory}\n\n${sections.join('\n')}${more}`);
      return prepare(pathsFor(root), name, { daemon: undefined, sandbox: true, start: true });
    },
  };
}

export function openDaemon(prepared: Prepared, plan: SandboxPlan): Promise<AppHandle> {
  const { host, paths, node, config } = prepared;
  return host.openApp({
    paths,
    node,
    app: plan.app,
    daemon: plan.daemon,
    network: plan.network,
    ...(plan.firewall === undefined ? {} : { firewall: plan.firewall }),
    owner: plan.userNamespace?.stateOwner ?? { uid: plan.identity.uid, gid: plan.identity.gid },
    ...(plan.userNamespace === undefined ? {} : { ids: plan.userNamespace.first }),
    stateDirectory: config.stateDirectory,
    logDirectory: config.logDirectory,
    temporarySize: 16 << 20,
    limits: { limits: plan.limits, bestEffort: plan.bestEffort },
  });
}

/** A started `first`, and the clock it printed (ns). */
export interface Started {
  readonly sandbox: Sandbox;
  readonly printed: Promise<bigint>;
}

export async function startFirst(handle: AppHandle, plan: SandboxPlan): Promise<Started> {
  const sandbox = await handle.start(plan, { stdin: 'null', stdout: 'pipe', stderr: 'pipe' });
  // A failed start shows as a missing number; its reason comes from here.
  const failure = sandbox.started.then(
    () => undefined,
    (error: unknown) => error,
  );
  const printed = new Promise<bigint>((resolve, reject) => {
    let output = '';
    sandbox.stderr?.resume();
    sandbox.stdout?.on('data', (data: Buffer) => {
      output += data.toString();
      if (output.endsWith('\n')) resolve(BigInt(output.trim()));
    });
    sandbox.stdout?.on('end', async () => reject((await failure) ?? new Error(`first printed \`${output}\``)));
  });
  return { sandbox, printed };
}
