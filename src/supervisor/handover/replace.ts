import { type Descriptor, descriptorsIn } from '../../host/handover.ts';
import type { Host } from '../../host/host.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { ControlServer, HandedControl } from '../control/server.ts';
import { untilNoneHangs } from '../logs/disk-turns.ts';
import { encodeHandover, type Handover } from './document.ts';
import { askSuccessor, type Successor } from './successor.ts';

/** Something that can stop in the middle of its work and say all that it knows. */
export interface Replaceable<Body> {
  /** Begins nothing more, and waits until nothing is at work. @throws MetactlError METACTL_BUSY: it goes on then. */
  pause(patience: number): Promise<void>;
  resume(): void;
  /**
   * All that it knows. Undefined where something has happened since `pause`: it may be paused again in a moment.
   * @param partial leaves out what can't be handed over now.
   */
  handOver(partial?: boolean): Body | undefined;
}

/** What is written in the background: it must be where it goes before the process is another one. */
export interface Written {
  flush(patience: number): Promise<boolean>;
  readonly isIdle: boolean;
}

export interface ReplaceOptions<Body> {
  readonly host: Host;
  readonly version: string;
  readonly replaced: number;
  readonly lock: Descriptor;
  readonly supervisor: Replaceable<Body>;
  /** Behind a successor's program: what makes it look whether it could, and what makes it take over what a descriptor holds. */
  readonly words: { readonly check: readonly string[]; readonly takeOver: (fd: number) => readonly string[] };
  readonly log: (line: string) => void;
  /** Where `log` writes, unless that is done at once. */
  readonly written?: Written;
}

/** Milliseconds that may pass until nothing is at work that can't be handed over. */
const PATIENCE = 10_000;
/** What a disk has not answered for so many milliseconds may hang. */
const SHORT = 200;
/** Milliseconds that one may be busy: nothing is begun meanwhile. */
const DISK = 2000;
/** How often something may come in between. */
const TRIES = 100;

/** No socket. */
export const NOBODY: HandedControl = { listener: { fd: -1 }, clients: [] };

/**
 * Replaces this process by its successor, which goes on with everything. Returns only by an error: then nothing has changed.
 * @throws MetactlError METACTL_NOT_INSTALLED, METACTL_HANDOVER (the successor can't), METACTL_BUSY.
 */
export async function replaceProcess<Body>(
  options: ReplaceOptions<Body>,
  successor: Successor,
  server: Pick<ControlServer, 'move' | 'stay' | 'handOver'>,
): Promise<never> {
  const { host, supervisor, words, log, written } = options;
  const draft = documentOf(options, supervisor.handOver(true)!, NOBODY);
  const version = await askSuccessor(host.handover, successor, words.check, draft.bytes);
  await supervisor.pause(PATIENCE);
  try {
    await server.move();
    log(`metactl ${options.version} is being replaced by metactl ${version}`);
    for (let tries = 0; tries < TRIES; tries++) {
      if ((await written?.flush(PATIENCE)) === false || !(await untilNoneHangs(SHORT, DISK))) throw diskHangs();
      // From here on in one turn of the event loop: nothing can happen that the successor would not know.
      const handed = written?.isIdle === false ? undefined : supervisor.handOver();
      if (handed !== undefined) become(options, successor, documentOf(options, handed, server.handOver()));
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

/** The kernel would keep this process, which does nothing more by then, until the disk goes on. */
function diskHangs(): MetactlError {
  return new MetactlError("the supervisor can't be replaced now: the disk of its logs does not answer", {
    code: 'METACTL_BUSY',
    hint: 'everything goes on as it was; look at that disk, and try again',
    exitStatus: EXIT.error,
  });
}

function documentOf<Body>(
  { host, version, replaced, lock }: ReplaceOptions<Body>,
  body: Body,
  control: HandedControl,
): { readonly bytes: Uint8Array; readonly keep: readonly number[] } {
  const document: Handover<Body> = {
    ...{ metactl: version, replaced, body, control, lock },
    host: host.handover.give(),
  };
  return { bytes: encodeHandover(document), keep: descriptorsIn(document) };
}

function become<Body>(
  { host, words }: ReplaceOptions<Body>,
  { node, options, program }: Successor,
  { bytes, keep }: { readonly bytes: Uint8Array; readonly keep: readonly number[] },
): never {
  const fd = host.handover.seal(bytes);
  const argv = [node, ...options, program, ...words.takeOver(fd)];
  return host.handover.replace({ file: node, argv, env: process.env, keep: [...keep, fd] });
}
