import { descriptorsIn } from '../../host/handover.ts';
import type { Host, SupervisorHold } from '../../host/host.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import type { ControlServer, HandedControl } from '../control/server.ts';
import { encodeHandover, type Handover } from '../handover/document.ts';
import { askSuccessor, type Successor } from '../handover/successor.ts';
import type { Supervisor } from './supervisor.ts';
import type { HandedSupervisor } from './take-over.ts';

export type StandaloneHandover = Handover<HandedSupervisor>;

export interface ReplaceOptions {
  readonly paths: Paths;
  readonly host: Host;
  readonly version: string;
  readonly replaced: number;
  readonly hold: SupervisorHold;
  readonly supervisor: Supervisor;
  readonly log: (line: string) => void;
}

/** Milliseconds that may pass until nothing is at work that can't be handed over. */
const PATIENCE = 10_000;
/** How often something may come in between. */
const TRIES = 100;

/** Words behind a successor's program, see cli/supervise.ts. Pure. */
function words(paths: Paths, ...more: string[]): string[] {
  return ['--root', paths.root, 'supervise', ...more];
}

const NOBODY: HandedControl = { listener: { fd: -1 }, clients: [] };

/**
 * Replaces this process by its successor, which goes on with everything. Returns only by an error: then nothing has changed.
 * @throws MetactlError METACTL_NOT_INSTALLED, METACTL_HANDOVER (the successor can't), METACTL_BUSY.
 */
export async function replaceSupervisor(
  options: ReplaceOptions,
  successor: Successor,
  server: ControlServer,
): Promise<never> {
  const { paths, host, supervisor, log } = options;
  const draft = documentOf(options, supervisor.handOver(true)!, NOBODY);
  const version = await askSuccessor(host.handover, successor, words(paths, '--check-handover'), draft.bytes);
  await supervisor.pause(PATIENCE);
  try {
    await server.move();
    for (let tries = 0; tries < TRIES; tries++) {
      // From here on in one turn of the event loop: nothing can happen that the successor would not know.
      const handed = supervisor.handOver();
      if (handed !== undefined) {
        log(`metactl ${options.version} is being replaced by metactl ${version}`);
        become(options, successor, documentOf(options, handed, server.handOver()));
      }
      await supervisor.pause(PATIENCE);
    }
    throw new MetactlError("the supervisor can't be replaced now: its daemons start and end too quickly", {
      code: 'METACTL_BUSY',
      hint: 'everything goes on as it was; try again in a moment',
      exitStatus: EXIT.error,
    });
  } catch (error) {
    server.stay();
    supervisor.resume();
    throw error;
  }
}

function documentOf({ host, version, replaced, hold }: ReplaceOptions, body: HandedSupervisor, control: HandedControl) {
  const document: StandaloneHandover = {
    ...{ metactl: version, replaced, body, control },
    host: host.handover.give(),
    lock: hold.lock,
  };
  return { bytes: encodeHandover(document), keep: descriptorsIn(document) };
}

function become(
  { paths, host }: ReplaceOptions,
  { node, options, program }: Successor,
  { bytes, keep }: { readonly bytes: Uint8Array; readonly keep: readonly number[] },
): never {
  const fd = host.handover.seal(bytes);
  const argv = [node, ...options, program, ...words(paths, '--take-over', String(fd))];
  return host.handover.replace({ file: node, argv, env: process.env, keep: [...keep, fd] });
}
