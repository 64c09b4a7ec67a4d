import { closeSync, fstatSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { MetactlError } from '../../util/error.ts';
import type { Descriptor, HandoverHost } from '../handover.ts';
import { addon } from './addon.ts';
import { readIdentity, verifyIdentity } from './identity.ts';
import { adoptLiveness, nativeFiles } from './native-files.ts';

const NAME = 'metactl-handover';
const SIGKILL = 9;
/** Milliseconds between two looks whether a stray child has ended. */
const PAUSE = 20;

interface Given {
  readonly self: NonNullable<ReturnType<typeof readIdentity>>;
  readonly liveness: { readonly read: Descriptor; readonly write: Descriptor };
}

/** See HandoverHost. */
export const handover: HandoverHost = {
  give() {
    const { liveness, livenessEnd } = nativeFiles();
    const given: Given = {
      self: readIdentity(process.pid)!,
      liveness: { read: { fd: liveness }, write: { fd: livenessEnd } },
    };
    return { ...given };
  },
  take(handed, all) {
    const { self, liveness } = handed as unknown as Given;
    const own = addon().pidfdOpen(process.pid);
    try {
      if (self?.pid !== process.pid || !verifyIdentity(own, self)) throw refused('it was made by another process');
    } finally {
      closeSync(own);
    }
    for (const fd of all) addon().closeOnExec(fd);
    for (const { fd } of [liveness.read, liveness.write]) {
      if (!fstatSync(fd).isFIFO()) throw refused(`descriptor ${fd} is no pipe`);
    }
    adoptLiveness(liveness.read.fd, liveness.write.fd);
  },
  seal: (document) => addon().sealedMemfd(NAME, document, false),
  open(fd) {
    try {
      if (!readlinkSync(`/proc/self/fd/${fd}`).startsWith(`/memfd:${NAME}`))
        throw refused(`descriptor ${fd} is another file`);
      const document = Buffer.alloc(fstatSync(fd).size);
      for (let at = 0; at < document.length; ) {
        const count = readSync(fd, document, at, document.length - at, at);
        if (count === 0) throw refused('it is not complete');
        at += count;
      }
      closeSync(fd);
      return document;
    } catch (error) {
      if (error instanceof MetactlError) throw error;
      throw refused(`descriptor ${fd}: ${(error as NodeJS.ErrnoException).code}`, error);
    }
  },
  replace({ file, argv, env, keep }) {
    const environment = Object.entries(env).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${value}`],
    );
    addon().execProgram(file, argv, environment, keep);
    throw refused('execve returned');
  },
  endStrays(known) {
    for (const pid of childrenOf(process.pid)) if (!known.has(pid)) endStray(pid);
  },
};

export function refused(why: string, cause?: unknown): MetactlError {
  return new MetactlError(`can't take over from the process before: ${why}`, {
    code: 'METACTL_HANDOVER',
    step: 'take over',
    hint: 'this is only for metactl reexec to start',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A kernel without CONFIG_PROC_CHILDREN tells them by looking at every process. */
function childrenOf(parent: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${parent}/task`);
    const lists = tasks.map((task) => readFileSync(`/proc/${parent}/task/${task}/children`, 'latin1'));
    return lists.flatMap((list) => list.trim().split(' ')).flatMap((word) => (word === '' ? [] : [Number(word)]));
  } catch {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && parentOf(name) === parent)
      .map(Number);
  }
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** Nobody else waits for it, so it would stay in the list of processes. */
function endStray(pid: number): void {
  let pidfd: number;
  try {
    pidfd = addon().pidfdOpen(pid);
    addon().pidfdSendSignal(pidfd, SIGKILL);
  } catch {
    // Not ours to end, or gone.
    return;
  }
  const look = () => {
    if (!isReaped(pidfd)) return;
    clearInterval(timer);
    closeSync(pidfd);
  };
  const timer = setInterval(look, PAUSE);
  timer.unref();
}

/** Reaps it once it has ended. One that is no child (any more) is somebody else's to reap: that must not end a supervisor. */
function isReaped(pidfd: number): boolean {
  try {
    return addon().waitPidfd(pidfd) !== null;
  } catch {
    return true;
  }
}
