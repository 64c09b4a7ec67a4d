import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { fixtures } from './fixtures.ts';
import type { AttackReport, ProbeReport } from './probe.ts';
import { type Outcome, type Running, type RunOptions, runMetactl, startMetactl } from './run-metactl.ts';
import { makeScratch, type Scratch } from './scratch.ts';

export interface ProbeAppOptions {
  /** Daemon name to the probe's arguments; `main` holds (waits for a signal) unless told. */
  readonly daemons?: Readonly<Record<string, string>>;
  /** Lines for every daemon's section. */
  readonly daemon?: string;
  /** Sections added to the node file. */
  readonly node?: string;
  /** Text of `.metactl`. */
  readonly application?: string;
  /** `[sandbox.net] mode`. */
  readonly mode?: 'none' | 'routed';
}

/** An app whose daemons are the probe, in a scratch root of its own or a given one. */
export interface ProbeApp {
  readonly name: string;
  readonly root: string;
  readonly directory: string;
  readonly state: string;
  /** The probe's path, the same inside and outside. */
  readonly probe: string;
  /** `metactl run`, to its end. */
  run(args?: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** `metactl run`, left running; resolves when the probe has said `ready`. */
  start(args?: readonly string[], options?: RunOptions): Promise<Running>;
  /** The same without waiting for anything. */
  launch(args?: readonly string[], options?: RunOptions): Running;
  /** Stops all that `start` started. */
  stop(): Promise<void>;
  /** `metactl exec APP [OPTIONS] -- COMMAND`. */
  enter(command: readonly string[], options?: readonly string[], run?: RunOptions): Promise<Outcome>;
  /** The same for the probe. */
  exec(args: readonly string[], options?: readonly string[], run?: RunOptions): Promise<Outcome>;
  /** The same for `report PARTS`. */
  report(parts?: readonly string[], options?: readonly string[]): Promise<ProbeReport>;
  attack(args: readonly string[], options?: readonly string[]): Promise<AttackReport>;
  /** Host pid of a running daemon's PID 1, from the live state. */
  init(daemon?: string): number;
  configure(options: ProbeAppOptions): void;
}

/** Makes an app of the probe in `scratch`. Its program belongs to root, as a release does. */
export function makeProbeApp(scratch: Scratch, name: string, options: ProbeAppOptions = {}): ProbeApp {
  const { root } = scratch;
  const directory = scratch.appDirectory(name, {});
  const probe = join(directory, 'probe');
  copyFileSync(fixtures().probe, probe);
  chmodSync(probe, 0o755);
  const started: Running[] = [];
  const all = (run: RunOptions = {}): RunOptions => ({ root, ...run });
  const app: ProbeApp = {
    name,
    root,
    directory,
    state: join(root, 'var/lib/metactl/apps', name, 'state'),
    probe,
    run: (args = [], run) => runMetactl(['run', name, ...args], all(run)),
    async start(args, run) {
      const one = app.launch(args, run);
      await one.waitFor(/ready/);
      return one;
    },
    launch(args = [], run) {
      const one = startMetactl(['run', name, ...args], all(run));
      started.push(one);
      return one;
    },
    async stop() {
      await Promise.all(started.splice(0).map((one) => one.stop('SIGTERM', 5000)));
    },
    enter: (command, more = [], run) => runMetactl(['exec', name, ...more, '--', ...command], all(run)),
    exec: (args, more, run) => app.enter([probe, ...args], more, run),
    report: async (parts = [], more = []) => parsed(await app.exec(['report', ...parts], more)),
    attack: async (args, more = []) => parsed(await app.exec(['attack', ...args], more)),
    init(daemon = 'main') {
      // The daemon's first words may be read before its supervisor has made it known.
      for (let i = 0; i < 400 && !existsSync(join(root, 'run/metactl', name, `${daemon}.json`)); i++) pause(5);
      const live = JSON.parse(readFileSync(join(root, 'run/metactl', name, `${daemon}.json`), 'utf8'));
      return live.pid;
    },
    configure(change) {
      const { daemons = { main: 'hold' }, daemon = '', node = '', mode = 'none' } = change;
      const sections = Object.entries(daemons).map(
        ([one, args]) => `[daemon.${one}]\ncommand = ./probe ${args}\nrestart = no\n${daemon}\n`,
      );
      const net = mode === 'none' ? '[sandbox.net]\nmode = none\n' : '';
      scratch.node(name, `[app]\ndirectory = ${directory}\n${net}${sections.join('')}${node}\n`);
      if (change.application !== undefined) scratch.appDirectory(name, { '.metactl': change.application });
    },
  };
  app.configure(options);
  registry.add(app);
  return app;
}

const registry = new Set<ProbeApp>();

/** A scratch root whose apps are all stopped, and whose kernel objects are gone, once `remove` resolves. */
export function makeProbeScratch(): { scratch: Scratch; remove: () => Promise<void> } {
  const scratch = makeScratch();
  return {
    scratch,
    async remove() {
      for (const app of registry) {
        if (app.root !== scratch.root) continue;
        await app.stop();
        registry.delete(app);
      }
      await runMetactl(['gc'], { root: scratch.root });
      scratch.remove();
    },
  };
}

/** The probe's one line of JSON. Fails with everything that came where there is none. */
export function parsed<T>(outcome: Outcome): T {
  const line = outcome.stdout.split('\n').find((text) => text.startsWith('{'));
  expect(line, `no JSON: ${JSON.stringify(outcome)}`).toBeDefined();
  return JSON.parse(line!) as T;
}

/** The probe on the host, without any sandbox: shows that an attack works where nothing stops it. */
export function outside<T = AttackReport>(...args: string[]): Promise<T> {
  return new Promise((resolve, reject) => {
    execFile(fixtures().probe, args, { encoding: 'utf8' }, (error, stdout) =>
      error === null ? resolve(JSON.parse(stdout) as T) : reject(error),
    );
  });
}

/** Blocks for some milliseconds. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
