import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installJavaApp } from '../../helpers/java.ts';
import type { Lab } from '../../helpers/lab.ts';
import { type Outcome, REPOSITORY, type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';

/** The example's files, as they are handed out. */
const EXAMPLE = join(REPOSITORY, 'test/fixtures/config/myapp');
export const EXAMPLE_FILES = {
  application: join(EXAMPLE, '.metactl'),
  site: join(EXAMPLE, 'site/myapp.conf'),
  node: join(EXAMPLE, 'nodes/myapp.conf'),
} as const;

/** What a node whose Jetty is Debian's adds to the example's node file. */
const NODE = (directory: string) => `
[app]
directory = ${directory}
[daemon.webapp]
platform = jetty9
memory-max = 512m
cpu-quota = 100%
[daemon.jobmanager]
memory-max = 640m
`;

/** The example app, running. */
export interface ExampleApp {
  readonly root: string;
  readonly running: Running;
  /** Its address, as `metactl ip` prints it. */
  readonly address: string;
  readonly stateDirectory: string;
  /** `metactl exec myapp DAEMON -- COMMAND…`; fails with everything that was printed unless the status is 0. */
  exec(daemon: string, ...command: readonly string[]): Promise<Outcome>;
  /** The pid of a daemon's own process, as its sandbox sees it. */
  pid(daemon: string): Promise<number>;
}

/** Installs the example with a WAR and a jar in a scratch root. Its three files are copied byte by byte. */
export function installExample(scratch: Scratch, lab: Lab): void {
  const directory = scratch.appDirectory('myapp', {});
  copyFileSync(EXAMPLE_FILES.application, join(directory, '.metactl'));
  installJavaApp(directory);
  scratch.site('myapp', readFileSync(EXAMPLE_FILES.site, 'utf8'));
  scratch.node('myapp', readFileSync(EXAMPLE_FILES.node, 'utf8') + NODE(directory));
  scratch.metactlConf(lab.metactlConf);
}

/** Both daemons of the installed example, up. The caller stops `running`, which is handed over before anything can fail. */
export async function startExample(scratch: Scratch, started: (running: Running) => void): Promise<ExampleApp> {
  const { root } = scratch;
  const running = startMetactl(['run', 'myapp'], { root });
  started(running);
  await running.waitFor(/jobmanager \| job manager listens on 9001/, 40_000);
  await running.waitFor(/webapp {5}\| .*Started @\d+ms/, 40_000);
  const exec: ExampleApp['exec'] = async (daemon, ...command) => {
    const outcome = await runMetactl(['exec', 'myapp', daemon, '--', ...command], { root });
    if (outcome.status !== 0) throw new Error(`${command.join(' ')}: ${JSON.stringify(outcome)}`);
    return outcome;
  };
  return {
    root,
    running,
    address: (await runMetactl(['ip', 'myapp'], { root })).stdout.trim(),
    stateDirectory: join(root, 'var/lib/metactl/apps/myapp/state'),
    exec,
    async pid(daemon) {
      const { stdout } = await runMetactl(['ps', 'myapp', daemon, '--json'], { root });
      const processes: { insidePid: number; command: string }[] = JSON.parse(stdout);
      const own = processes.filter(({ insidePid }) => insidePid !== 1);
      if (own.length !== 1) throw new Error(`${daemon} is not one process:\n${stdout}`);
      return own[0]!.insidePid;
    },
  };
}

/** A page, fetched from the host or from a network namespace. */
export function fetchFrom(url: string, netns?: string): string {
  const curl = ['curl', '-sS', '--max-time', '10', url];
  const [file, ...words] = netns === undefined ? curl : ['ip', 'netns', 'exec', netns, ...curl];
  return execFileSync(file!, words, { encoding: 'utf8' });
}
