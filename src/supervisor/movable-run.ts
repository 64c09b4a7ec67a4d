import type { AppHandle } from '../host/host.ts';
import { MetactlError } from '../util/error.ts';
import type { HandedRunControl, RunControl } from './control/run-control.ts';
import type { ControlServer } from './control/server.ts';
import type { Gate } from './handover/gate.ts';
import { NOBODY, type Replaceable } from './handover/replace.ts';
import type { ForegroundLogs } from './logs/foreground-logs.ts';
import type { PackedRun, RunSpec } from './run-spec.ts';
import {
  type HandedSupervisor,
  handOverApps,
  type MovableApp,
  pauseApps,
  releaseApps,
  resumeApps,
} from './standalone/take-over.ts';
import { packSpec } from './standalone/unit-spec.ts';
import type { DaemonGroup } from './state/group.ts';

/** What a `run` hands over to the process that takes its place; what is checked of it before is as with a supervisor of apps. */
export interface HandedRun extends HandedSupervisor {
  readonly run: PackedRun & Pick<HandedRunControl, 'servers' | 'cpuBefore'>;
}

export interface MovableRun {
  readonly about: Pick<RunSpec, 'app' | 'paths'> & { readonly daemon: string | undefined };
  readonly supervisor: Replaceable<HandedRun>;
  readonly server: Pick<ControlServer, 'move' | 'stay' | 'handOver'>;
}

export interface MovableParts {
  readonly spec: RunSpec;
  readonly group: DaemonGroup;
  readonly handles: readonly AppHandle[];
  readonly logs: ForegroundLogs;
  readonly launches: Gate;
  readonly control: RunControl;
  /** It was asked to stop. */
  readonly isEnding: () => boolean;
}

/** A `run` whose daemons write into logs; what is only passed through would be lost. */
export function movableRun(parts: MovableParts): MovableRun {
  const { spec, control, launches, isEnding } = parts;
  const apps = new Map([[spec.app, movableApp(parts)]]);
  const gates = { verbs: control.verbs, launches };
  const resume = () => {
    resumeApps(apps);
    launches.open();
    releaseApps(apps);
    control.verbs.open();
  };
  const { app, paths, units } = spec;
  // Which of its daemons are meant stands in what is handed over.
  const daemon = units.length === 1 ? units[0]!.plan.daemon : undefined;
  return {
    about: { app, paths, daemon },
    supervisor: {
      async pause(patience) {
        if (isEnding()) throw ending(spec.app);
        requireLogs(parts);
        try {
          await pauseApps(apps, gates, patience);
          if (isEnding()) throw ending(spec.app);
        } catch (error) {
          resume();
          throw error;
        }
      },
      resume,
      handOver(partial = false) {
        const handed = isEnding() && !partial ? undefined : handOverApps(apps, control.hub, partial);
        if (handed === undefined) return undefined;
        const { sandboxed, hangUp } = spec;
        return {
          ...handed,
          run: { sandboxed, hangUp, cpuBefore: control.cpuBefore(), servers: partial ? [] : control.handOver() },
        };
      },
    },
    // A socket for each daemon: they are handed over with what belongs to the daemons.
    server: { move: () => control.move(), stay: () => control.stay(), handOver: () => NOBODY },
  };
}

function movableApp({ spec, group, handles, logs, control }: MovableParts): MovableApp {
  const units = spec.units.map((unit, index): [string, ReturnType<MovableApp['units']['get']> & object] => {
    const name = unit.plan.daemon;
    const daemon = group.daemons.get(name)!;
    const log = logs.of(name);
    return [
      name,
      {
        name,
        hold: (held) => daemon.hold(held),
        pause: async (patience) => (await log?.pause(patience)) ?? true,
        resume: () => log?.goOn(),
        handOver() {
          const app = handles[index]!.handOver();
          const handedLog = log?.handOver(daemon.status().pid !== undefined);
          if (!daemon.isSteady || app === undefined || handedLog === undefined) return undefined;
          const cpuBefore = control.cpuBefore()[index]!;
          return {
            spec: packSpec(unit),
            cpuBefore,
            daemon: daemon.handOver(),
            app,
            log: handedLog,
            loss: logs.lossOf(name),
          };
        },
      },
    ];
  });
  return {
    name: spec.app,
    dependencies: spec.dependencies,
    units: new Map(units),
    changes: control.changes,
    group,
  };
}

/** @throws MetactlError METACTL_HANDOVER */
function requireLogs({ spec, logs }: MovableParts): void {
  const without = spec.units.find(({ plan }) => logs.of(plan.daemon) === undefined);
  if (without === undefined) return;
  throw new MetactlError(
    `${spec.app}/${without.plan.daemon} can't be handed over: what it writes is passed through to standard output`,
    {
      code: 'METACTL_HANDOVER',
      step: 'replace the supervisor',
      hint: 'set log.to = journal or file; until then, restart it',
    },
  );
}

function ending(app: string): MetactlError {
  return new MetactlError(`the supervisor of ${app} is ending`, {
    code: 'METACTL_ENDING',
    hint: 'what is started next is the metactl that is installed then',
  });
}

/** The handle, which launches nothing while the gate is closed. */
export function gated(handle: AppHandle, gate: Gate): Pick<AppHandle, 'start' | 'takeUp' | 'notify'> {
  return {
    get notify() {
      return handle.notify;
    },
    start: (plan, io) => gate.pass(() => handle.start(plan, io)),
    takeUp: (plan, io) => handle.takeUp(plan, io),
  };
}
