import { type FSWatcher, lstatSync, watch } from 'node:fs';
import type { SupervisorHold } from '../../host/supervisor-host.ts';
import { messageLine } from '../../util/error.ts';
import type { ControlServer } from '../control/server.ts';

export interface FoundOptions {
  /** Where the socket and the lock are. */
  readonly directory: string;
  readonly hold: Pick<SupervisorHold, 'isThere' | 'renew'>;
  readonly server: Pick<ControlServer, 'isThere' | 'renew'>;
  /** The same for its daemons. */
  readonly daemons: () => Promise<void>;
  /** While this process is being replaced, the next one looks. */
  readonly isMoving: () => boolean;
  readonly log: (line: string) => void;
}

/** Milliseconds after a change in the directory: `rm -r` needs a moment for the rest. */
const SOON = 100;
/** Milliseconds after which it is tried again. */
const AGAIN = 1000;
/** Milliseconds between two looks where the kernel does not tell of changes (fs.inotify.max_user_instances). */
const SELDOM = 5000;

/**
 * Keeps a supervisor where clients look for it: somebody may remove its socket, its lock, or all of /run/metactl (`rm -rf`, a
 * tool that clears /run). They are made anew then, with what its daemons are found by; where another supervisor was faster that is said, and tried again. It looks
 * when the kernel tells of a change in the directory, so one that nobody disturbs is not woken.
 * @returns ends it.
 */
export function stayFound({ directory, hold, server, daemons, isMoving, log }: FoundOptions): () => void {
  let watcher: FSWatcher | undefined;
  let watched: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let said: string | undefined;
  let isOver = false;
  const say = (line: string | undefined) => {
    if (line !== undefined && line !== said) log(line);
    said = line;
  };
  let due = Number.POSITIVE_INFINITY;
  const later = (pause: number) => {
    const at = performance.now() + pause;
    if (isOver || at >= due) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(() => {
      due = Number.POSITIVE_INFINITY;
      void look();
    }, pause).unref();
  };
  /** @returns whether the kernel tells. */
  const follow = (): boolean => {
    const there = directoryAt(directory);
    if (there !== undefined && there === watched) return true;
    watcher?.close();
    watcher = undefined;
    watched = undefined;
    try {
      watcher = watch(directory, { persistent: false }, () => later(SOON));
      watcher.on('error', () => later(SOON));
      watched = directoryAt(directory);
      return true;
    } catch {
      return false;
    }
  };
  const look = async () => {
    if (isOver) return;
    if (isMoving()) return later(AGAIN);
    try {
      follow();
      if (!hold.isThere() && !hold.renew()) {
        say(
          `warning: the lock in ${directory} was removed, and another supervisor has it now: this one can't be found any more`,
        );
        return later(AGAIN);
      }
      if (!server.isThere()) {
        await server.renew();
        log(`the socket in ${directory} was removed: made it anew`);
      }
      await daemons();
      say(undefined);
      // It may be another directory by now.
      if (!follow()) later(SELDOM);
    } catch (error) {
      say(`warning: can't be found any more: ${messageLine(error)}`);
      later(AGAIN);
    }
  };
  void look();
  return () => {
    isOver = true;
    clearTimeout(timer);
    watcher?.close();
  };
}

/** Which one it is; undefined: there is none. */
function directoryAt(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}
