import type { Host } from '../../host/host.ts';
import type { SupervisorHold } from '../../host/supervisor-host.ts';
import type { Paths } from '../../util/paths.ts';
import type { ControlServer } from '../control/server.ts';
import type { Handover } from '../handover/document.ts';
import { replaceProcess, type Written } from '../handover/replace.ts';
import type { Successor } from '../handover/successor.ts';
import type { BootStarts, HandedStarts } from './boot-starts.ts';
import type { Supervisor } from './supervisor.ts';
import type { HandedSupervisor } from './take-over.ts';

/** What the supervisor of a node hands over. */
export interface HandedNode extends HandedSupervisor {
  readonly starts: HandedStarts;
}

export type StandaloneHandover = Handover<HandedNode>;

export interface ReplaceOptions {
  readonly paths: Paths;
  readonly host: Host;
  readonly version: string;
  readonly replaced: number;
  readonly hold: SupervisorHold;
  readonly supervisor: Supervisor;
  readonly starts: BootStarts;
  readonly log: (line: string) => void;
  /** Where `log` writes. */
  readonly written: Written;
}

/** See replaceProcess; the words are those of cli/supervise.ts. */
export function replaceSupervisor(
  { paths, hold, supervisor, starts, ...options }: ReplaceOptions,
  successor: Successor,
  server: ControlServer,
): Promise<never> {
  const words = checkWords(paths).slice(0, -1);
  const handOver = (partial?: boolean): HandedNode | undefined => {
    const handed = supervisor.handOver(partial);
    return handed === undefined ? undefined : { ...handed, starts: starts.handOver() };
  };
  return replaceProcess(
    {
      ...options,
      // As it is then: it may have been taken anew.
      get lock() {
        return hold.lock;
      },
      supervisor: { pause: (patience) => supervisor.pause(patience), resume: () => supervisor.resume(), handOver },
      words: { check: checkWords(paths), takeOver: (fd) => [...words, '--take-over', String(fd)] },
    },
    successor,
    server,
  );
}

/** Behind a successor's program: it looks whether it could take over the draft. Pure. */
export function checkWords(paths: Paths): readonly string[] {
  return ['--root', paths.root, 'supervise', '--check-handover'];
}
