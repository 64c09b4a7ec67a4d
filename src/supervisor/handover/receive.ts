import { realpathSync } from 'node:fs';
import { descriptorsIn } from '../../host/handover.ts';
import type { Host } from '../../host/host.ts';
import { MetactlError } from '../../util/error.ts';
import { GoOn, isMoved } from '../control/moving.ts';
import type { Request } from '../control/protocol.ts';
import type { Handler } from '../control/server.ts';
import { decodeHandover, type Handover } from './document.ts';
import type { Successor } from './successor.ts';

/** What the process before hands over: the first thing that is done with this host. @throws MetactlError METACTL_HANDOVER */
export function receiveHandover<Body>(host: Host, fd: number): Handover<Body> {
  const before = decodeHandover<Body>(host.handover.open(fd));
  const all = descriptorsIn(before);
  host.handover.take(before.host, all);
  host.closeInherited(all);
  return before;
}

/** What a control socket tells of its process, and how that one is replaced. */
export interface ReexecHandlers {
  readonly reexec: Handler;
  /** What a client of `reexec` asks next, by whichever process that is answered. */
  readonly replaced: Handler;
}

/** @param replace returns only by an error. @param hello tells of this process. */
export function reexecHandlers(
  replace: (request: Request) => Promise<never>,
  hello: () => Readonly<Record<string, unknown>>,
): ReexecHandlers {
  let failure: unknown;
  return {
    async reexec(request, { gone }) {
      failure = undefined;
      const replacing = replace(request).catch((error: unknown) => {
        failure = error;
        throw error;
      });
      replacing.catch(() => {});
      return Promise.race([replacing, moved(gone)]);
    },
    replaced() {
      if (failure !== undefined) throw failure;
      return hello();
    },
  };
}

/** Rejects when another process is about to take this one's place, with what its client asks that one. */
function moved(gone: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    gone.addEventListener('abort', () => {
      if (isMoved(gone)) reject(new GoOn({ verb: 'replaced' }));
    });
  });
}

/**
 * Replaces at most once at a time. @param own the program that takes over unless a request names another; whoever may ask
 * may also say which: root, or who runs this supervisor. @throws MetactlError METACTL_BUSY
 */
export function replacer(
  own: Successor,
  replace: (successor: Successor) => Promise<never>,
  log: (line: string) => void,
): (request: Request) => Promise<never> {
  let replacing = false;
  return async (request) => {
    if (replacing) throw isBeingReplaced();
    replacing = true;
    try {
      return await replace(successorOf(request, own));
    } catch (error) {
      log(`was not replaced: ${(error as Error).message}`);
      throw error;
    } finally {
      replacing = false;
    }
  };
}

function successorOf({ node, program }: Request, own: Successor): Successor {
  return {
    ...own,
    ...(typeof node === 'string' ? { node } : {}),
    ...(typeof program === 'string' ? { program: realPath(program) } : {}),
  };
}

/** As it is, where there is no such file: that is told by whoever looks for it. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isBeingReplaced(): MetactlError {
  return new MetactlError('the supervisor is being replaced already', {
    code: 'METACTL_BUSY',
    hint: 'metactl status tells when that is done',
  });
}
